"""A whole newer site on one machine: MySQL 9.7, Slurm 26.05 and Apptainer 1.4.

    with Site() as site:
        engine = sqlalchemy.create_engine(site.mysql.url())
        prefix = site.container(Path("/somewhere/ollama"))
        site.run(["snakemake", ...], cwd=work, env={"OLLAMA": " ".join([*prefix, "/opt/ollama"])})

The parts are Debian's development suite in a root of its own (`root.py`). Commands run in the
*site's world*: a mount namespace where that root is /, with its Slurm and Apptainer on PATH. The
machine's own folders (/home, /tmp, the project, whatever is not the operating system) are there
at their own paths, and so are the Python that runs the tests and its environment: the job script
of a workflow that was started by `run` finds the same interpreter, packages and files as on the
machine. Network and processes are the machine's: the servers answer on 127.0.0.1 on both sides,
and `kill` works across. The machine's own root is at /host.

What an Apptainer user finds here as anywhere: the container sees /tmp, the home folder and the
working folder; any other folder needs `--bind` (or APPTAINER_BIND). HOME is the user's home folder
whatever the environment says; `--home FOLDER` changes it. All other variables go in. The image
is read-only. The program is a child of the process that was started; SIGTERM is passed on to it.

Needs root, `debootstrap`, and the network for the first time.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from tests.servers.daemon import ServerFailed
from tests.servers.site.mysql import MySQL
from tests.servers.site.root import enter, minimal_root, site_root
from tests.servers.slurm import SlurmCluster


class Site:
    """The running site. `mysql` has MariaDB's interface, `slurm` is a SlurmCluster."""

    mysql: MySQL
    slurm: SlurmCluster

    def __init__(self, **slurm_options: Any) -> None:
        """`slurm_options` go to SlurmCluster."""
        self._slurm_options = slurm_options
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        root = site_root()
        self.folder = Path(tempfile.mkdtemp(prefix="notemill-site-"))
        self.folder.chmod(0o755)
        self._exit.callback(shutil.rmtree, self.folder)
        try:
            self._enter = enter(root, self.folder)
            self.mysql = self._exit.enter_context(MySQL(root, self._enter))
            # Accounting has a server of its own, so that a test may kill the other.
            accounting = self._exit.enter_context(MySQL(root, self._enter))
            self.slurm = self._exit.enter_context(
                SlurmCluster(database=accounting, wrap=self._enter, **self._slurm_options)
            )
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @property
    def environment(self) -> dict[str, str]:
        """What a command in the site's world runs with: SLURM_CONF, PATH and all of ours."""
        return dict(self.slurm.environment)

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command as it is to be started on the machine (with `environment`), for Popen."""
        return [*self._enter, *argv]

    def run(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the site's world; `env` adds to its environment.

        The result has the exit status in `returncode`, and both outputs as text.
        """
        return subprocess.run(
            self.command(argv),
            check=False,
            env=self.environment | dict(env or {}),
            cwd=cwd,
            timeout=timeout,
            capture_output=True,
            text=True,
        )

    def container(self, source: Path, *options: str) -> list[str]:
        """Build an image that holds a program or a folder of them.

        `source` is at /opt/NAME in it, beside a minimal Debian. Gives back what runs a command in
        a container of the image, `apptainer exec OPTIONS... IMAGE`, good in the site's world.
        """
        image = self.folder / f"{source.name}.sif"
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            tree = Path(folder) / "tree"
            subprocess.run(["cp", "--archive", str(minimal_root()), str(tree)], check=True)
            content = tree / "opt" / source.name
            subprocess.run(["cp", "--recursive", str(source), str(content)], check=True)
            quick = "-comp gzip -Xcompression-level 1"
            build = ["apptainer", "build", "--mksquashfs-args", quick, str(image), str(tree)]
            done = self.run(build, env={"APPTAINER_TMPDIR": folder})
        if done.returncode:
            raise ServerFailed(f"{' '.join(build)} failed:\n{done.stderr}")
        # Root of a virtual machine may lack a capability that Apptainer would ask for.
        privileges = ["--no-privs"] if os.geteuid() == 0 else []
        return ["apptainer", "exec", *privileges, *options, str(image)]

"""A real Slurm cluster for tests: accounting, two nodes, two GPUs each, on one machine.

    with SlurmCluster() as slurm:
        subprocess.run(["sbatch", "--wrap=hostname"], env=slurm.environment)

Needs Debian's `slurm-wlm slurmdbd munge mariadb-server`. Everything lies in one temporary folder
and on ports of its own. Runs as root and as an ordinary user, whose jobs are then the only ones.
The GPUs are links to /dev/null: Slurm counts them, gives them to jobs and sets
CUDA_VISIBLE_DEVICES. Slurm looks for jobs over their time limit every 30 s only, so that a limit
of one minute takes effect after 60 to 90 s, and `--signal=TERM@N` comes as roughly.
"""

import getpass
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.servers.daemon import Daemon, wait_until
from tests.servers.mariadb import MariaDB
from tests.servers.slurm_configuration import write_configuration

PACKAGES = ("slurm-wlm", "slurmdbd", "munge", "mariadb-server")
START_SECONDS = 180
# Debian keeps the daemons out of an ordinary user's PATH.
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


class CommandFailed(RuntimeError):
    """One of Slurm's commands failed; the message holds what it said."""


class SlurmCluster:
    """A running cluster with the partitions `cpu` (the default) and `gpu` on both nodes.

    `environment` is what a client or a job's submitter runs with. The account `research` is
    known and the current user may use it; accounts are not enforced.
    """

    nodes = ("n1", "n2")
    gpus_per_node = 2
    account = "research"

    def __init__(
        self,
        *,
        kill_wait: int = 5,
        slurmd_timeout: int = 30,
        cpus: int = 8,
        memory_mb: int = 64_000,
        database: MariaDB | None = None,
        wrap: Sequence[str] = (),
    ) -> None:
        """`kill_wait`: seconds from SIGTERM to SIGKILL. `slurmd_timeout`: seconds after which a
        silent node counts as down. `cpus` and `memory_mb`: what each node claims to have.
        `database`: where accounting goes, a MariaDB of the cluster's own by default. `wrap`: a
        command that runs another, put before Slurm's own commands and daemons.
        """
        self.kill_wait = kill_wait
        self.slurmd_timeout = slurmd_timeout
        self.cpus = cpus
        self.memory_mb = memory_mb
        self.database = database
        self.wrap = list(wrap)
        self._exit = ExitStack()
        self._slurmd: dict[str, Daemon] = {}
        self._central: dict[str, Daemon] = {}

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="notemill-slurm-"))
        self.folder.chmod(0o755)
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLURM", "SBATCH", "SRUN"))
        } | {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{self.folder}/bin:{PATH}"}
        try:
            self._exit.callback(shutil.rmtree, self.folder)
            write_configuration(
                self.folder,
                self.nodes,
                self.database or self._exit.enter_context(MariaDB()),
                cpus=self.cpus,
                memory_mb=self.memory_mb,
                gpus_per_node=self.gpus_per_node,
                kill_wait=self.kill_wait,
                slurmd_timeout=self.slurmd_timeout,
            )
            self._write_srun()
            self._start()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def run(self, *command: str) -> str:
        """Run one of Slurm's commands and give back what it prints."""
        done = subprocess.run(
            [*self.wrap, *command],
            check=False,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise CommandFailed(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def sinfo(self) -> dict[str, str]:
        """Each node's state in sinfo's long form, such as `idle`, `mixed` or `down*`."""
        return dict(line.split() for line in self.run("sinfo", "-hN", "-o", "%N %T").splitlines())

    def squeue(self) -> dict[str, str]:
        """The state of each job that is pending, running or ending."""
        lines = self.run("squeue", "-h", "-o", "%i %T").splitlines()
        return dict(line.split() for line in lines)

    def sacct(self, *options: str, fields: str = "JobID,JobName,State") -> list[dict[str, str]]:
        """Accounting's record of jobs, one dictionary for a job (not its steps)."""
        table = self.run("sacct", "-XnP", "--format", fields, *options)
        return [
            dict(zip(fields.split(","), line.split("|"), strict=True))
            for line in table.splitlines()
        ]

    def set_node_down(self, name: str) -> None:
        """Mark a node DOWN, which ends its jobs with NODE_FAIL."""
        self.run("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=test")

    def resume_node(self, name: str) -> None:
        """Take a node back into service and wait until it is idle."""
        self.run("scontrol", "update", f"NodeName={name}", "State=RESUME")
        self._wait_for([name])

    def kill_slurmd(self, name: str) -> None:
        """SIGKILL for a node's slurmd; its jobs go on until the node counts as down."""
        self._slurmd[name].kill()

    def start_slurmd(self, name: str) -> None:
        """Start a node's slurmd."""
        self._slurmd[name] = self._daemon(f"slurmd-{name}", "slurmd", "-D", "-N", name)

    def stop(self, name: str) -> None:
        """End `slurmctld` (it saves its state) or `slurmdbd`; jobs go on."""
        self._central[name].stop()

    def runs(self, name: str) -> bool:
        """Whether `slurmctld` or `slurmdbd` is there, hanging or not."""
        return self._central[name].running

    def kill(self, name: str) -> None:
        """SIGKILL for `slurmctld` or `slurmdbd`, as a crash would."""
        self._central[name].kill()

    def kill_node(self, name: str) -> list[int]:
        """SIGKILL for a node's slurmd and all that it started, as a lost node; their ids."""
        return self._slurmd[name].kill_all()

    def start(self, name: str) -> None:
        """Start `slurmctld` or `slurmdbd` and wait until it answers."""
        command, probe, expected = {
            "slurmdbd": (["-D"], ("sacctmgr", "-n", "list", "cluster"), ""),
            "slurmctld": (["-D", "-i"], ("scontrol", "ping"), "UP"),
        }[name]
        self._central[name] = self._daemon(name, name, *command)
        self._wait_for_output(self._central[name], probe, expected)

    def pause(self, name: str) -> None:
        """Let `slurmctld` or `slurmdbd` hang: it takes connections and does not answer."""
        os.kill(self._central[name].pid, signal.SIGSTOP)

    def unpause(self, name: str) -> None:
        """Let it go on, with all that it was asked meanwhile."""
        os.kill(self._central[name].pid, signal.SIGCONT)

    def mend(self) -> None:
        """Start again what was stopped, and let go on what was paused."""
        for name in ("slurmdbd", "slurmctld"):
            if self._central[name].running:
                self.unpause(name)
            else:
                self.start(name)

    def _write_srun(self) -> None:
        """Snakemake's jobstep plugin (0.6.1) hides SLURM_CONF from srun; give it back."""
        srun = self.folder / "bin" / "srun"
        srun.parent.mkdir()
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec /usr/bin/srun "$@"\n')
        srun.chmod(0o755)

    def _start(self) -> None:
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "seed-file": "seed"}
        munged = self._daemon(
            "munged",
            "munged",
            "--foreground",
            "--force",  # root may run it, and the folder may lie in /tmp
            *(f"--{option}={self.folder}/munge.{end}" for option, end in files.items()),
        )
        wait_until((self.folder / "munge.socket").exists, 10, "munged is not ready", [munged])

        self.start("slurmdbd")
        # Also starts the cluster: slurmctld takes its record from here.
        self.run("sacctmgr", "-i", "add", "cluster", "notemill")
        self.run("sacctmgr", "-i", "add", "account", self.account)
        self.run("sacctmgr", "-i", "add", "user", getpass.getuser(), f"account={self.account}")

        self.start("slurmctld")
        for name in self.nodes:
            self.start_slurmd(name)
        self._wait_for(self.nodes)

    def _daemon(self, log: str, *command: str) -> Daemon:
        daemon = Daemon(
            [*self.wrap, *command], self.folder / f"{log}.log", self.environment, grace_seconds=5
        )
        self._exit.callback(daemon.stop)
        return daemon

    def _wait_for_output(self, daemon: Daemon, command: Sequence[str], expected: str) -> None:
        wait_until(
            lambda: expected in self.run(*command),
            START_SECONDS,
            f"{daemon.log.stem} is not ready",
            [daemon],
            retry_on=CommandFailed,
        )

    def _wait_for(self, nodes: Sequence[str]) -> None:
        def idle() -> bool:
            states = self.sinfo()
            return all(states[name] == "idle" for name in nodes)

        wait_until(
            idle,
            START_SECONDS,
            f"Slurm's nodes {', '.join(nodes)} are not idle",
            [self._slurmd[name] for name in nodes],
            [self.folder / "slurmctld.log"],
        )

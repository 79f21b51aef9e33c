"""The site's file system: a root of Debian's development suite, built once and kept.

It lies in the folder NOTEMILL_SITE_CACHE, by default ~/.cache/notemill-site, takes 0.9 GB and two
minutes to build, and needs root and `debootstrap`. Delete the folder to have newer packages.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.daemon import ServerFailed
from tests.servers.debian import Missing

SUITE = "sid"
# mysql-server itself conflicts with the MariaDB client library that Slurm is linked with.
PACKAGES = (
    "mysql-server-core",
    "slurm-wlm",
    "slurmdbd",
    "munge",
    "apptainer",
    "ca-certificates",
)
# What makes up the operating system; any other folder of / is the machine's, also in the site.
SYSTEM_FOLDERS = {"bin", "boot", "dev", "etc", "host", "lib", "lib32", "lib64", "libx32"}
SYSTEM_FOLDERS |= {"lost+found", "proc", "run", "sbin", "sys", "usr", "var"}
HERE = Path(__file__).parent


def cache() -> Path:
    """The folder that keeps what is built."""
    return Path(os.environ.get("NOTEMILL_SITE_CACHE") or Path.home() / ".cache" / "notemill-site")


def minimal_root() -> Path:
    """A bare system of the suite, the start of the site's root and of container images."""
    return _kept("minimal", _build_minimal_root)


def site_root() -> Path:
    """The same with the servers' packages."""
    return _kept("root", _build_site_root)


def versions() -> dict[str, str]:
    """The version of each of the site's packages."""
    query = [
        "dpkg-query",
        f"--root={site_root()}",
        "-W",
        "-f",
        "${Package} ${Version}\n",
        *PACKAGES,
    ]
    lines = subprocess.run(query, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split() for line in lines)


def enter(root: Path, scratch: Path) -> list[str]:
    """What to put before a command to run it with `root` as its /.

    Every folder of the machine's / but the operating system's is there at its own path, and so
    are /usr/local, the project, and the Python that runs this, with its environment. `scratch` is
    an empty folder that is there as long as the command runs.
    """
    folders = [path for path in Path("/").iterdir() if path.is_dir() and not path.is_symlink()]
    folders = [path for path in folders if path.name not in SYSTEM_FOLDERS]
    folders += map(Path, ("/proc", "/sys", "/dev", "/usr/local"))
    python = Path(sys.executable)
    needed = [
        HERE.parents[2],
        Path(tempfile.gettempdir()),
        Path(sys.prefix),
        Path(os.__file__).parent,
    ]
    # An environment's python is a link to a link to the program.
    pythons = [python.resolve()]
    while python.is_symlink():
        python = python.parent / python.readlink()
        pythons.append(python)
    seen = tuple(folders)
    folders += [path for path in needed if not any(map(path.is_relative_to, seen))]
    hidden = [path for path in pythons[1:] if not any(map(path.is_relative_to, folders))]
    return [
        *("unshare", "--mount", "--propagation", "private"),
        *("sh", str(HERE / "enter.sh"), str(root), str(_launcher(pythons[0], scratch))),
        *(*map(str, folders), "--", *map(str, {pythons[0], *hidden}), "--"),
    ]


def _launcher(python: Path, scratch: Path) -> Path:
    """Write the script that stands for the machine's Python inside the site."""
    maps = Path("/proc/self/maps").read_text().split()
    (loader,) = {word for word in maps if Path(word).name.startswith("ld-linux")}
    known = subprocess.run(
        ["/sbin/ldconfig", "-p"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    libraries = {str(Path(line.split("=> ")[1]).parent) for line in known if "=> " in line}
    # First its own: the machine may have another libpython of the same name.
    folders = [sysconfig.get_config_var("LIBDIR"), *sorted(libraries)]
    launcher = scratch / "python"
    launcher.write_text(
        (HERE / "launcher.sh")
        .read_text()
        .replace("@LOADER@", f"/host{loader}")
        .replace("@LIBRARIES@", ":".join(f"/host{folder}" for folder in folders))
        .replace("@PYTHON@", f"/host{python}")
    )
    launcher.chmod(0o755)
    return launcher


def _build_minimal_root(root: Path) -> None:
    _run(["debootstrap", "--variant=minbase", SUITE, str(root)])
    for rubbish in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc"):
        shutil.rmtree(root / rubbish)
    # Some programs want one, Apptainer among them.
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")


def _build_site_root(root: Path) -> None:
    _run(["cp", "--archive", str(minimal_root()), str(root)])
    for name in ("hosts", "resolv.conf"):
        shutil.copy(Path("/etc") / name, root / "etc" / name)
    policy = root / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        mounts = 'mount -t proc proc "$0/proc"; exec chroot "$0" "$@"'
        # A mirror may lag behind; debootstrap does not mind either.
        apt = ["apt-get", "--quiet", "--option=Acquire::Check-Valid-Until=false", *arguments]
        _run(
            [
                "unshare",
                "--mount",
                "sh",
                "-c",
                mounts,
                str(root),
                "env",
                "DEBIAN_FRONTEND=noninteractive",
                *apt,
            ]
        )
    _run(["chroot", str(root), "apt-get", "clean"])
    # Comes with the package mysql-server, which we cannot have.
    _run(["chroot", str(root), "useradd", "--system", "mysql"])


def _kept(name: str, build: Callable[[Path], None]) -> Path:
    """The folder of this name in the cache, built if it is not there."""
    kept = cache() / name
    with _lock(name):
        if not kept.exists():
            _check()
            building = kept.with_name(f"{name}.building")
            if building.exists():
                shutil.rmtree(building)
            build(building)
            building.rename(kept)
    return kept


@contextmanager
def _lock(name: str) -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check() -> None:
    if os.geteuid() != 0:
        raise Missing("the newer site needs root")
    if not shutil.which("debootstrap"):
        raise Missing("the newer site needs Debian's package debootstrap")


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-20:])
        raise ServerFailed(f"{' '.join(command)} failed:\n{end}")

"""What outlives a round: Slurm, the databases, and disks that can be filled up."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.servers.slurm import SlurmCluster

_FILLING = "filling-up"
_BLOCK = bytes(1 << 16)


@dataclass
class Site:
    """postgres: None where no round wants one."""

    cluster: SlurmCluster
    mariadb: MariaDB
    postgres: Postgres | None = None

    def database(self, kind: str) -> MariaDB | Postgres:
        """The database of a round of this kind."""
        if kind != "postgres":
            return self.mariadb
        assert self.postgres, "no PostgreSQL was started"
        return self.postgres


@contextmanager
def running_site(*, postgres: bool) -> Iterator[Site]:
    """Servers of its own, with a Slurm that gives a silent node up soon."""
    with ExitStack() as stack:
        database = stack.enter_context(MariaDB())
        other = stack.enter_context(Postgres()) if postgres else None
        cluster = stack.enter_context(SlurmCluster(slurmd_timeout=10, kill_wait=3))
        yield Site(cluster, database, other)


@dataclass
class Disk:
    """A folder on a disk of its own, of so many MB; an ordinary one where none can be mounted."""

    folder: Path
    size_mb: int
    mounted: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, mode=0o700)
        options = f"size={self.size_mb}m,mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", options, "notemill-chaos", str(self.folder)]
        self.mounted = os.geteuid() == 0 and not subprocess.run(command, check=False).returncode

    def fill(self) -> None:
        """Take all the room there is."""
        with (self.folder / _FILLING).open("ab", buffering=0) as file:
            while True:
                try:
                    file.write(_BLOCK)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return

    def free(self) -> None:
        """Give the room back."""
        with suppress(FileNotFoundError):
            (self.folder / _FILLING).unlink()

    def unmount(self) -> None:
        """Take the disk away; what was on it is gone."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
            self.mounted = False

"""A file that one job at a time may write, also where the file system knows no locks.

flock first, which reaches other hosts on NFS and on a Lustre mounted with `-o flock`; POSIX locks
where there is no flock; where there is neither, or a lock that the mount keeps to this host, a file
PATH.lock that names its holder. The kernel gives the first two back however their job ends. A
PATH.lock is taken over only from a process of this host that has ended; one of another host stays,
and the message says what to do.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import platform
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from notemill.errors import NotemillError
from notemill.files import explained, open_private, private_folder
from notemill.leftovers import ended, space, started

_NO_SUCH_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_LOCAL_LOCKS = {"localflock", "nolock", "local_lock=all", "local_lock=flock"}
"""Options of Lustre's and NFS' mounts with which a lock is this host's alone."""
_LOOKS, _LOOK_S = 50, 0.1
_BUSY = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


class Held(NotemillError):
    """Another job has the lock."""


class LockedFile:
    """A private file, made if missing, open for reading and writing and locked until closed.

    doing: what the job that holds it does, for the message to another one.
    """

    def __init__(self, path: Path, doing: str = "answering this shard") -> None:
        """Raises Held when another job has it, another NotemillError when no lock can be had."""
        self.path = path
        self._doing = doing
        self._marker: Path | None = None
        private_folder(path.parent)
        with explained(path):
            self.file = self._opened(path)
            # Another job may have put a new file in its place while this one waited to open it.
            for look in range(_LOOKS):
                if self._is_current():
                    return
                self.close()
                time.sleep(_LOOK_S if look else 0)
                self.file = self._opened(path)
            self.close()
        raise NotemillError(
            "this file was opened, and has no name or another one each time",
            where=f"{path} on {platform.node()}",
            remedy="a network file system may show files late: run again. If it stays so, see what "
            "else writes in this folder",
        )

    def close(self) -> None:
        """Close it and let others in. Raises NotemillError for what can't be written any more."""
        try:
            with explained(self.path):
                self.file.close()
        finally:
            if self._marker is not None:
                self._marker.unlink(missing_ok=True)
                self._marker = None

    def replace(self, partial: Path) -> None:
        """Put a whole file in its place and go on with that, locked all the while."""
        with explained(self.path):
            before, marker = self.file, self._marker
            self.file = self._opened(partial) if marker is None else _open(partial)
            partial.replace(self.path)
            before.close()

    def _opened(self, path: Path) -> BinaryIO:
        file = _open(path)
        try:
            self._lock(file)
        except BaseException:
            file.close()
            raise
        return file

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self.file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def _lock(self, file: BinaryIO) -> None:
        for take in (fcntl.flock, fcntl.lockf):
            try:
                take(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _NO_SUCH_LOCKS:
                    continue
                if error.errno in _BUSY:
                    raise self._held() from None
                raise  # ENOLCK too: it is not known to be free
            else:
                if not _is_of_this_host(file):
                    return
                break
        self._mark()

    def _mark(self) -> None:
        """Take PATH.lock, which is there for one process alone. Raises NotemillError."""
        marker = self.path.with_name(f"{self.path.name}.lock")
        try:
            _make(marker)
        except FileExistsError:
            # A name that the kernel gives to one process of this host, until it ends: two that
            # find the same dead holder must not both take over.
            name = hashlib.sha256(str(marker.absolute()).encode()).hexdigest()
            with socket.socket(socket.AF_UNIX) as turn:
                try:
                    turn.bind(f"\0notemill-{name}")
                except OSError:
                    raise self._held() from None
                holder = _holder(marker)
                if not _ended(holder):
                    raise self._held(_told(holder, marker)) from None
                marker.unlink(missing_ok=True)
                try:
                    _make(marker)
                except FileExistsError:
                    raise self._held() from None
        self._marker = marker

    def _held(self, holder: str = "") -> Held:
        return Held(
            f"another job is {self._doing}",
            where=str(self.path),
            remedy=f"{holder}look for it with squeue or ps (of a shard's job the journal's last "
            '"key" line has host and number); let it finish or end it, then run again',
        )


def whereabouts() -> dict[str, Any]:
    """This process, as others can find it."""
    return {
        "host": platform.node(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "process": os.getpid(),
    }


def _open(path: Path) -> BinaryIO:
    return os.fdopen(open_private(path, os.O_RDWR), "rb+")


def _is_of_this_host(file: BinaryIO) -> bool:
    """Whether a lock of the file is unknown to other hosts that mount its file system too."""
    device = os.fstat(file.fileno()).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
            fields = line.split()
            if fields[2] == number and not _LOCAL_LOCKS.isdisjoint(fields[-1].split(",")):
                return True
    return False


def _make(marker: Path) -> None:
    mine = {"started": started(os.getpid()), "space": space()}
    file = open_private(marker, os.O_WRONLY | os.O_EXCL)
    try:
        with os.fdopen(file, "w") as told:
            json.dump(whereabouts() | mine, told)
    except OSError:  # a full disk: a marker that names nobody would keep everybody off
        marker.unlink(missing_ok=True)
        raise


def _holder(marker: Path) -> dict[str, Any]:
    """Who wrote the marker; empty when it can't be told (it is being written, or was torn)."""
    with suppress(OSError, ValueError):
        holder = json.loads(marker.read_text())
        if isinstance(holder, dict) and type(holder.get("process")) is int:
            return holder
    return {}


def _ended(holder: dict[str, Any]) -> bool:
    """Whether it is sure that the holder's process has ended; known for this host alone, and for
    this container: processes of another one of the same name have numbers of their own."""
    place, start = holder.get("space"), holder.get("started")
    if place is None and holder.get("host") == platform.node():  # of an earlier version
        place = space()
    return isinstance(place, str) and ended(place, holder["process"], start)


def _told(holder: dict[str, Any], marker: Path) -> str:
    who = f"host {holder.get('host', 'unknown')}, process {holder.get('process', 'unknown')}"
    if job := holder.get("slurm_job"):
        who += f", Slurm job {job}"
    return (
        f"{who}; this file system has no locks that reach other hosts, so if that job has ended, "
        f"delete {marker}; or "
    )

"""A file that one job at a time may write, also where the file system knows no locks.

flock first, which reaches other hosts on NFS and on a Lustre mounted with `-o flock`; POSIX locks
where there is no flock; where there is neither, a file PATH.lock that names its holder. The kernel
gives the first two back however their job ends. A PATH.lock is taken over only from a process of
this host that has ended; one of another host stays, and the message says what to do.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import platform
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from notemill.errors import NotemillError
from notemill.files import explained, private_folder

_NO_SUCH_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
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
            while not self._is_current():
                self.close()
                self.file = self._opened(path)

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
                if error.errno == errno.ENOLCK:
                    raise NotemillError(
                        "the file system's lock service gives no lock on this host (ENOLCK)",
                        where=f"{self.path} on {platform.node()}",
                        remedy="run again, it may be for a moment; else ask your site (NFS needs "
                        "its lock service on every node), or set `results` to another file system",
                    ) from None
                raise
            else:
                return
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
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb+")


def _make(marker: Path) -> None:
    with os.fdopen(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(whereabouts(), file)


def _holder(marker: Path) -> dict[str, Any]:
    """Who wrote the marker; empty when it can't be told (it is being written, or was torn)."""
    with suppress(OSError, ValueError):
        holder = json.loads(marker.read_text())
        if isinstance(holder, dict) and type(holder.get("process")) is int:
            return holder
    return {}


def _ended(holder: dict[str, Any]) -> bool:
    """Whether it is sure that the holder's process has ended; known for this host alone."""
    if holder.get("host") != platform.node():
        return False
    try:
        os.kill(holder["process"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _told(holder: dict[str, Any], marker: Path) -> str:
    who = f"host {holder.get('host', 'unknown')}, process {holder.get('process', 'unknown')}"
    if job := holder.get("slurm_job"):
        who += f", Slurm job {job}"
    return f"{who}; this file system has no locks, so if that job has ended, delete {marker}; or "

"""A model's files on the node's own disk: copied once, by one job, for all jobs of a user there.

A copy is whole or not there: it is made beside its place, each file is held against its sha256
while it is copied, and then renamed. Who uses it holds a shared lock that the kernel gives back
however the process ends; who copies or removes holds an exclusive one. So the last one that uses it
removes it, and what a killed job left is removed by the next one that stages anything there.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import shutil
import stat
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from notemill.config.every_engine import Stage
from notemill.errors import EngineRefused, NotemillError
from notemill.files import explained, sync
from notemill.logs import log

_BLOCK = 1 << 22
_PLACE = "engines.*.stage.to"
_PAUSE_S = 0.2
_KEPT = "kept"
"""In a copy that stays when nobody uses it."""


class Interrupted(Exception):
    """The job ends; nothing half made is left."""


class Part(NamedTuple):
    """A file of a model. name: its path in the copy; sha256: of its bytes."""

    source: Path
    name: str
    sha256: str


class Copy:
    """A model's files in a folder of the node, in use until `leave`."""

    def __init__(self, folder: Path, lock: int, *, keep: bool) -> None:
        self.folder = folder
        self._lock = lock
        self._keep = keep

    def leave(self) -> None:
        """Use it no more; the last one removes it, unless it is to be kept."""
        with suppress(OSError):
            if not self._keep and _try(self._lock, fcntl.LOCK_EX):
                _remove(self.folder)
                _lock_of(self.folder).unlink()
        os.close(self._lock)


_held: dict[Path, Copy] = {}
_one_at_a_time = threading.Lock()


def staged(
    parts: Sequence[Part], name: str, stage: Stage, stop: threading.Event | None = None
) -> Path:
    """The folder with a copy of the parts, which stays until this process ends.

    name: of the copy, the same for the same bytes alone. stop: set to interrupt it from another
    thread. Raises NotemillError where it can't be had, EngineRefused when a file is not what its
    record says, Interrupted.
    """
    stop = stop or threading.Event()
    with _one_at_a_time:  # several servers of a job
        place = _place(stage)
        folder = place / name
        if folder not in _held:
            _clear(place, but=folder)
            with explained(folder, _PLACE):
                _held[folder] = _taken(parts, folder, stage, stop)
        return folder


@atexit.register
def leave_all() -> None:
    """Leave what this process has staged."""
    while _held:
        _held.popitem()[1].leave()


def _place(stage: Stage) -> Path:
    """The user's own folder at the configured place."""
    told = Path(os.path.expandvars(stage.to)).expanduser()
    if "$" in str(told) or not told.is_absolute():
        raise NotemillError(
            f"the place for staged weights is no folder here: {told}",
            where=f"engines.*.stage.to: {stage.to}",
            remedy="name the node's own disk by a full path, or by a variable that your site sets "
            "in jobs",
        )
    place = told / f"notemill-{os.getuid()}"
    with explained(place, _PLACE):
        place.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            place.mkdir(mode=0o700)
        found = place.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise NotemillError(
                "the folder for staged weights is not yours",
                where=str(place),
                remedy="tell your site, or set engines.*.stage.to to another place",
            )
        place.chmod(0o700)
    return place


def _taken(parts: Sequence[Part], folder: Path, stage: Stage, stop: threading.Event) -> Copy:
    """The copy in use, made if it is not there."""
    waiting = False
    while True:
        lock = _opened(folder)
        try:
            if folder.exists() and _try(lock, fcntl.LOCK_SH) and _current(lock, folder):
                if folder.exists():  # nobody removes it from here on
                    if stage.keep:
                        (folder / _KEPT).touch(mode=0o600)
                    log.info("the model is on the node's disk: %s", folder)
                    return Copy(folder, lock, keep=stage.keep or (folder / _KEPT).exists())
            elif not folder.exists() and _try(lock, fcntl.LOCK_EX) and _current(lock, folder):
                if not folder.exists():
                    _copy(parts, folder, stage, stop)
                # Down to a shared lock: between the two another may remove it, so look again.
                fcntl.flock(lock, fcntl.LOCK_SH)
                if folder.exists() and _current(lock, folder):
                    return Copy(folder, lock, keep=stage.keep)
            elif not waiting:
                waiting = True
                log.info("another job copies the model to this node's disk; waiting for it")
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
        if stop.wait(_PAUSE_S):
            raise Interrupted


def _copy(parts: Sequence[Part], folder: Path, stage: Stage, stop: threading.Event) -> None:
    """All parts, whole and verified, or nothing. Needs the exclusive lock."""
    partial = _partial(folder)
    _remove(partial)
    began = time.monotonic()
    with explained(partial, _PLACE):
        size = sum(part.source.stat().st_size for part in parts)
        _refuse_if_full(folder, size, stage)
        try:
            partial.mkdir(mode=0o700)
            for part in parts:
                _copy_one(part, partial / part.name, stop)
            if stage.keep:
                (partial / _KEPT).touch(mode=0o600)
            sync(partial)
            partial.rename(folder)
        except BaseException:
            _remove(partial)
            raise
    log.info(
        "copied %.1f GiB to the node's disk in %.1f s: %s",
        size / (1 << 30),
        time.monotonic() - began,
        folder,
    )


def _copy_one(part: Part, to: Path, stop: threading.Event) -> None:
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256()
    handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with part.source.open("rb") as source, os.fdopen(handle, "wb") as copy:
        while block := source.read(_BLOCK):
            if stop.is_set():
                raise Interrupted
            digest.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(handle)
    if digest.hexdigest() != part.sha256:
        raise EngineRefused(
            "the model's weights are not what their record says: the sha256 of the copy is "
            f"{digest.hexdigest()}, not {part.sha256}",
            where=str(part.source),
            remedy="was the file replaced? Put the former one back; if it is damaged, get it again",
        )


def _refuse_if_full(folder: Path, size: int, stage: Stage) -> None:
    free = shutil.disk_usage(folder.parent).free
    if free < size:
        raise NotemillError(
            f"the model takes {size / (1 << 30):.1f} GiB, and {free / (1 << 30):.1f} GiB are free "
            "on the node's disk",
            where=f"{folder.parent} (engines.*.stage.to: {stage.to})",
            remedy="ask Slurm for the space where your site has it as a resource, take another "
            "place, or leave `stage` out",
        )


def _clear(place: Path, *, but: Path) -> None:
    """Remove what nobody uses: copies of killed jobs, whole and half ones."""
    for lock_file in place.glob("*.lock"):
        folder = lock_file.with_suffix("")
        if folder == but:
            continue
        with suppress(OSError):
            lock = _opened(folder)
            if _try(lock, fcntl.LOCK_EX) and _current(lock, folder):
                _remove(_partial(folder))
                shutil.rmtree(_going(folder), ignore_errors=True)
                if not (folder / _KEPT).exists():
                    _remove(folder)
                    lock_file.unlink()
            os.close(lock)


def _opened(folder: Path) -> int:
    with explained(folder, _PLACE):
        return os.open(_lock_of(folder), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _partial(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.partial")


def _going(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.going")


def _try(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _current(lock: int, folder: Path) -> bool:
    """Whether it is the lock that others find: one may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(lock), _lock_of(folder).stat())
    except FileNotFoundError:
        return False


def _remove(folder: Path) -> None:
    """First out of its name, so that no half of it is ever taken for a whole."""
    if folder.exists():
        going = _going(folder)
        shutil.rmtree(going, ignore_errors=True)
        with suppress(OSError):
            folder.rename(going)
        shutil.rmtree(going, ignore_errors=True)

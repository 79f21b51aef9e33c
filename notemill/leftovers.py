"""What a process makes for itself alone, under a name that tells whether it still lives.

Such a name carries the process' mark: host, number, and when the kernel started it. A process that
is killed clears nothing up; the next one of the same user on the same host does, by the mark, and
leaves what belongs to living ones and to other hosts, of the same name too: two clusters that share
a file system may both have a `node001`.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from notemill.errors import NotemillError

_FIRST_PROCESS_SPACE = "pid:[4026531836]"
"""Linux' own; processes of another one, as of a container, have numbers of their own."""

_MACHINE_ID = "/etc/machine-id"
"""Given at a computer's installation; its text is nobody else's to know (machine-id(5))."""

_LONGEST_NAME = 255
"""Bytes."""


def mark() -> str:
    """This process: HOST-MACHINE.BOOT.NUMBER.START."""
    return _mark(os.getpid())


def space() -> str:
    """Where this process' number is one of its own: HOST-MACHINE.BOOT, of a container too."""
    return f"{_host()}.{_boot()}"


def ended(place: str, process: int, start: int | None) -> bool:
    """Whether it is sure that a process has ended.

    place: its `space`; start: when it started, None if that is not known.
    """
    host, _, boot = place.rpartition(".")
    if host != _host():
        return False
    alive = started(process) if boot == _boot() else None
    return alive is None or alive != (alive if start is None else start)


@functools.cache
def _mark(process: int) -> str:
    return f"{space()}.{process}.{started(process)}"


def aside(path: Path) -> Path:
    """A name of this process beside `path`, for what is not yet to be found under that one.

    A long name is cut, and its sum takes the place of what is lost: a file of any name that the
    file system takes can be made.
    """
    behind, name = f".{mark()}.partial", os.fsencode(path.name)
    room = _LONGEST_NAME - len(f".{behind}")
    if len(name) > room:
        digest = hashlib.sha256(name).hexdigest()[:16]
        name = os.fsencode(name[: room - len(digest)].decode(errors="ignore") + digest)
    return path.with_name(f".{os.fsdecode(name)}{behind}")


def started(process: int) -> int | None:
    """When the kernel started it, in clock ticks since the boot, which no step of the clock moves.

    None when there is no such process here.
    """
    try:
        told = Path(f"/proc/{process}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(told.rpartition(")")[2].split()[19])


@contextmanager
def temporary_folder(what: str) -> Iterator[Path]:
    """A folder on the node's own disk, its owner's alone from the beginning, gone afterwards.

    what: a word for its name. Raises NotemillError where none can be made.
    """
    place = temporary_place()
    clear(place)
    with temporary(place, "no temporary folder can be made"):
        folder = Path(tempfile.mkdtemp(prefix=f"notemill-{what}.{mark()}.", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary(place: Path, problem: str) -> Iterator[None]:
    """Turn what is refused below a temporary place into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise NotemillError(
            f"{problem} ({error.strerror})",
            where=str(place),
            remedy="free some space there, or set TMPDIR to a folder of yours on a disk with room",
        ) from error


def temporary_place() -> Path:
    """Where temporary folders are made: the job's own place, or the node's.

    Raises NotemillError where nothing can be written.
    """
    for name in ("SLURM_TMPDIR", "TMPDIR"):
        told = os.environ.get(name)
        if told and os.path.isdir(told) and os.access(told, os.W_OK | os.X_OK):  # noqa: PTH112
            return Path(told)
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        raise NotemillError(
            "no folder for temporary files can be written",
            where="SLURM_TMPDIR, TMPDIR, /tmp and /var/tmp",
            remedy="free some space in /tmp, or set TMPDIR to a folder of yours",
        ) from None


def clear(folder: Path) -> None:
    """Remove what processes of this user have left there that have ended, as far as it can be.

    Not where others could give a folder of this user's such a name.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        mode = folder.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return
        for entry in entries:
            if not _is_dead(entry.name):
                continue
            with suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if found.st_uid != os.geteuid():
                    continue
                if stat.S_ISDIR(found.st_mode):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)  # noqa: PTH108


def _is_dead(name: str) -> bool:
    """Whether it is the name of something whose maker was a process of this host that has ended."""
    found = _names().fullmatch(name)
    return found is not None and ended(found["space"], int(found["process"]), int(found["start"]))


@functools.cache
def _names() -> re.Pattern[str]:
    place = rf"(?P<space>{re.escape(_host())}\.[0-9a-f]+)"
    marked = rf"\.{place}\.(?P<process>\d+)\.(?P<start>\d+)\."
    return re.compile(rf"(?:\..+|notemill-[^.]+){marked}[^.]+", re.DOTALL)


@functools.cache
def _host() -> str:
    """Its name, and what tells it from others of that name for as long as it is installed.

    A computer without an id of its own is another one after each boot, and so is a container, whose
    numbers of processes begin again: what those leave is not cleared then.
    """
    machine = _word(_MACHINE_ID) or _boot()
    space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    if space != _FIRST_PROCESS_SPACE:
        machine += _boot() + space
    digest = hashlib.sha256(f"notemill {machine}".encode()).hexdigest()
    return f"{os.uname().nodename}-{digest[:8]}"


@functools.cache
def _boot() -> str:
    return _word("/proc/sys/kernel/random/boot_id")[:8]


def _word(path: str) -> str:
    """What the file says; nothing where there is none."""
    with suppress(OSError):
        return Path(path).read_text().strip()
    return ""

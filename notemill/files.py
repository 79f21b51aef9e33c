"""Private files that appear whole or not at all."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from notemill.errors import NotemillError
from notemill.leftovers import aside, clear

_READ_BYTES = 1 << 20
_OWNERS = stat.S_IRUSR | stat.S_IWUSR
_Model = TypeVar("_Model", bound=BaseModel)


class Record(BaseModel):
    """What a file of JSON holds, made once and written whole; `read_json` reads it."""

    model_config = ConfigDict(frozen=True)

    def write(self, path: Path) -> None:
        """Write the file, mode 0600."""
        write_text(path, self.model_dump_json(indent=2) + "\n")


def private_folder(path: Path) -> Path:
    """Make the folder with its parents; what this call makes is readable by its owner alone."""
    with explained(path):
        _nearest_folder(path)
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.stat().st_mode & stat.S_IRWXU != stat.S_IRWXU:  # by the umask
                folder.chmod(0o700)
    return path


def check_folder(path: Path) -> None:
    """Raise NotemillError unless the folder can be written to, or made. Changes nothing."""
    with explained(path.absolute()):
        if not os.access(_nearest_folder(path), os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "")


def _nearest_folder(path: Path) -> Path:
    """The folder itself or the nearest above it that is there."""
    place = path.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.exists():
        raise OSError(errno.ELOOP, "")
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "")
    return place


@contextmanager
def written_whole(path: Path, *, synced: bool = True) -> Iterator[Path]:
    """Yield a name to write to; on success it is synced and renamed to `path`, mode 0600.

    On any failure the partial file is removed and `path` is left as it was. Two writers of one
    path do not meet: the partial file's name carries the process. The name that is yielded is the
    open file itself, so whatever others do in the folder, nothing is written to another file.
    synced: False for what may be lost with its node.
    """
    private_folder(path.parent)
    _clear_once(path.parent, os.getpid())
    partial = aside(path)
    with explained(path):
        partial.unlink(missing_ok=True)
        file = open_private(partial, os.O_RDWR | os.O_EXCL)
        try:
            yield Path(f"/proc/self/fd/{file}")
            if synced:
                os.fsync(file)
            _hold_same(file, partial)
            partial.replace(path)
            if synced:
                sync(path.parent)
        finally:
            os.close(file)
            partial.unlink(missing_ok=True)


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file that is made, if missing, for its owner alone; follows no link."""
    file = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if os.fstat(file).st_mode & _OWNERS != _OWNERS:  # the umask took its owner's rights too
        os.fchmod(file, _OWNERS)
    return file


def _hold_same(file: int, path: Path) -> None:
    """Raise NotemillError unless the open file is still the one that has this name."""
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(file), path.lstat()):
            return
    raise NotemillError(
        "somebody removed or replaced this file while it was written",
        where=str(path),
        remedy="see who else can write to this folder, and run again",
    )


@functools.cache
def _clear_once(folder: Path, process: int) -> None:
    """Once for a process, because a folder may hold many thousands of files."""
    clear(folder)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, mode 0600."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def refuse_open(path: Path, what: str) -> None:
    """Raise NotemillError if others have any right to a file that holds a secret.

    what: the file in the error, such as "the option file with your password".
    Raises OSError if it is not there.
    """
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise NotemillError(
            f"{what} is open to others", where=str(path), remedy=f"chmod 600 {path}"
        )


def read_json(model: type[_Model], path: Path, *, problem: str, remedy: str) -> _Model:
    """Read a file that holds one `model` as JSON. Raises NotemillError: missing, or it is none."""
    try:
        return model.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        raise NotemillError(problem, where=str(path), remedy=remedy) from None


def sync(path: Path) -> None:
    """Bring a file or a folder's entries to the disk, so that a rename survives a lost node."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of_file(path: Path) -> str:
    """Hex digest of the file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def explained(path: Path, setting: str = "`results` in the configuration") -> Iterator[None]:
    """Turn what a file system refuses into an error that names the path and the remedy.

    setting: what of the user's leads to the path.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotemillError(
                "no space is left (disk full or quota reached)",
                where=str(path),
                remedy=f"free some space, or set {setting} to a folder with room, and run again: "
                "finished shards and journals are kept",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise NotemillError(
                "this file or folder can't be written or read with your account",
                where=str(path),
                remedy=f"give your account the right to it, or set {setting} to a folder of yours",
            ) from error
        if error.errno == errno.ENOLCK:
            raise NotemillError(
                "the file system's lock service gives no lock on this host (ENOLCK)",
                where=f"{path} on {os.uname().nodename}",
                remedy="run again, it may be for a moment; else ask your site (NFS needs its lock "
                f"service on every node), or set {setting} to another file system",
            ) from error
        if error.errno == errno.ELOOP and path.is_symlink() and path.exists():
            raise NotemillError(
                "this is a link, and notemill writes no file of its own through one",
                where=str(path),
                remedy="remove the link; the folder may be one",
            ) from error
        if error.errno == errno.ELOOP:
            raise NotemillError(
                "a part of this path is a link that leads nowhere",
                where=str(path),
                remedy="make the folder that the link names, remove the link, or correct "
                + setting,
            ) from error
        if error.errno == errno.ENAMETOOLONG:
            raise NotemillError(
                "this path, or a name in it, is longer than the file system takes",
                where=str(path),
                remedy="shorten it; a name may have some 200 bytes",
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise NotemillError(
                "a part of this path is a file, not a folder",
                where=str(path),
                remedy=f"remove or rename that file, or correct {setting}",
            ) from error
        raise

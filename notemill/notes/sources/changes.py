"""Whether a cohort's files are still those that it was read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from notemill.config import Cohort
from notemill.errors import NotemillError
from notemill.files import sha256_of_file
from notemill.notes.sources.files import files_of
from notemill.notes.sources.record import FilesRead

_TOLD = 20


class Lying(NamedTuple):
    """A file as it lies now."""

    path: Path
    size: int
    modified_ns: int


def touched(name: str, cohort: Cohort, read: FilesRead, give_up: str) -> dict[str, Lying]:
    """Files whose time of change alone is another: their contents may be the same.

    Opens no file. give_up: how to read the cohort anew. Raises NotemillError where a file is gone,
    has another size, or was not there, with what was read and what is there.
    """
    before = {file.name: file for file in read.files}
    now = _lying(name, cohort)
    changed = [
        (each, f"{file.size:,} bytes of {_time(file.modified_ns)}", _told(now.get(each)))
        for each, file in before.items()
        if each not in now or now[each].size != file.size
    ]
    changed += [(each, "not there", _told(now[each])) for each in now if each not in before]
    if changed:
        raise _changed(name, changed, give_up)
    return {each: now[each] for each in before if now[each].modified_ns != before[each].modified_ns}


def same_contents(
    name: str, read: FilesRead, suspects: Mapping[str, Lying], give_up: str
) -> FilesRead:
    """The record with the times that these files have now, if their contents are what was read.

    Reads them whole. Raises NotemillError where they are not.
    """
    before = {file.name: file for file in read.files}
    hashes = {each: sha256_of_file(file.path) for each, file in suspects.items()}
    changed = [
        (each, f"sha256 {before[each].sha256}", f"sha256 {sha256}")
        for each, sha256 in hashes.items()
        if sha256 != before[each].sha256
    ]
    if changed:
        raise _changed(name, changed, give_up)
    files = [
        file.model_copy(update={"modified_ns": suspects[file.name].modified_ns})
        if file.name in suspects
        else file
        for file in read.files
    ]
    return read.model_copy(update={"files": files})


def _lying(name: str, cohort: Cohort) -> dict[str, Lying]:
    """The files that are there; none where nothing matches any more."""
    try:
        paths = files_of(name, cohort.files or [])
    except NotemillError:
        paths = {}
    found = {}
    for each, path in paths.items():
        try:
            stat = path.stat()
        except OSError:
            continue
        found[each] = Lying(path, stat.st_size, stat.st_mtime_ns)
    return found


def _changed(name: str, changed: Iterable[tuple[str, str, str]], give_up: str) -> NotemillError:
    lines = [f"    {each}, read: {read}\n    {each}, now: {now}" for each, read, now in changed]
    more = len(lines) - _TOLD
    return NotemillError(
        f"the files of cohort '{name}' are not those that it was read from:\n"
        + "\n".join([*lines[:_TOLD], *([f"    and {more} more"] if more > 0 else [])]),
        where=f"cohorts.{name}.files",
        remedy="a cohort is read once and then frozen: put new files into a cohort with another "
        f"name, or bring back what was read. {give_up}",
    )


def _told(file: Lying | None) -> str:
    return f"{file.size:,} bytes of {_time(file.modified_ns)}" if file else "not there"


def _time(modified_ns: int) -> str:
    return datetime.fromtimestamp(modified_ns // 10**9, UTC).isoformat()

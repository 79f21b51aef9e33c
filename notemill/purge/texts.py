"""Every file below the results folder that holds a cohort's texts, or may quote them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from notemill.audit.folder import Folder
from notemill.audit.readings import read_readings
from notemill.errors import NotemillError
from notemill.files import explained
from notemill.notes.purged import Removed
from notemill.notes.shard import is_purged, readable_parquet
from notemill.notes.textless import write_without_texts
from notemill.paths import CUTS, Layout, cut_name

_NOTES = "notes shards: the texts; ids, hashes and states stay"
_COMMENTS = "audits: readers' comments; what they answered stays"


@dataclass(frozen=True)
class Found:
    """A file with texts. what: its kind, in words; remove: takes them away, and nothing twice."""

    what: str
    path: Path
    remove: Callable[[], None]

    @property
    def bytes(self) -> int:
        """Its size, 0 where it is gone by now."""
        with suppress(OSError):
            return self.path.lstat().st_size
        return 0


def texts_of(layout: Layout, cohort: str, cut: int) -> list[Found]:
    """All files with texts of the cohort, whose cut in force has so many shards."""
    return [
        *_notes(layout.notes_folder(cohort, cut_name(cut))),
        *_of("notes on their way into shards", _left_by_extract(layout.cohort(cohort), cut)),
        *_of("pages of `notemill look` and of pilots", _pages(layout, cohort)),
        *_audits(layout, cohort),
        *_of("lines of journals that could not be used", _rejected(layout, cohort)),
        *_of("engines' logs", _engine_logs(layout, cohort)),
    ]


def summed(found: Iterable[Found]) -> list[Removed]:
    """How many files of each kind, and their bytes."""
    sums: dict[str, list[int]] = {}
    for each in found:
        counts = sums.setdefault(each.what, [0, 0])
        counts[0] += 1
        counts[1] += each.bytes
    return [Removed(what=what, files=files, bytes=size) for what, (files, size) in sums.items()]


def engine_logs_of_servers(layout: Layout) -> list[Path]:
    """Logs of servers that any cohort may have asked, and of notebooks that lost their engine."""
    logs = layout.results / "logs"
    return sorted(path for kind in ("serve", "session") for path in _engines(logs / kind))


def _of(what: str, paths: Iterable[Path]) -> Iterator[Found]:
    for path in sorted(paths):
        yield Found(what, path, partial(_removed, path))


def _removed(path: Path) -> None:
    with explained(path):
        path.unlink(missing_ok=True)


def _notes(folder: Path) -> Iterator[Found]:
    for path in sorted(folder.glob("*.parquet")):
        if not _has_no_texts(path):
            yield Found(_NOTES, path, partial(_without_texts, path))


def _has_no_texts(path: Path) -> bool:
    try:
        with readable_parquet(path, remedy="") as file:
            return is_purged(file)
    except NotemillError:
        return False


def _without_texts(path: Path) -> None:
    """A shard that can't be read is removed: nobody can say what is in it."""
    try:
        with readable_parquet(path, remedy=""):
            pass
    except NotemillError:
        _removed(path)
    else:
        write_without_texts(path)


def _left_by_extract(folder: Path, cut: int) -> Iterator[Path]:
    """What killed jobs left, and cuts that are not in force any more."""
    in_force = folder / cut_name(cut) / "notes"
    yield from _files(folder / ".aside")
    yield from (path for path in in_force.glob(".*") if path.is_file())
    for other in folder.glob(CUTS):
        if other.name != cut_name(cut):
            yield from _files(other / "notes")


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def _pages(layout: Layout, cohort: str) -> Iterator[Path]:
    folder = layout.pilot(cohort, "x").parent
    yield from folder.glob("*.html")
    yield from folder.glob(".*.partial")


def _rejected(layout: Layout, cohort: str) -> Iterator[Path]:
    yield from layout.answers_folder(cohort).rglob("*.journal.rejected.jsonl*")


def _engine_logs(layout: Layout, cohort: str) -> Iterator[Path]:
    for folder in (layout.results / "logs").glob(f"*/{cohort}"):
        yield from _engines(folder)


def _engines(folder: Path) -> Iterator[Path]:
    yield from folder.rglob("*.engine*.log")


def _audits(layout: Layout, cohort: str) -> Iterator[Found]:
    for path in sorted(layout.audits(cohort, "*").parent.glob("*/*")):
        folder = Folder(path)
        if path.name.endswith(".partial"):
            yield Found(
                "audits that were not drawn to their end", path, partial(_removed_whole, path)
            )
            continue
        yield from _of("audits: the sheets", _files(folder.label_studio("x").parent))
        yield from _of("audits: the sheets", path.glob("adjudication*.xlsx"))
        yield from _of("audits: the sheets", path.glob(".*.partial"))
        if folder.readings.exists() and _comments(folder.readings):
            yield Found(_COMMENTS, folder.readings, partial(_without_comments, folder.readings))


def _removed_whole(folder: Path) -> None:
    with explained(folder):
        shutil.rmtree(folder)


def _comments(path: Path) -> bool:
    return any(reading.comments for reading in read_readings(path).readers.values())


def _without_comments(path: Path) -> None:
    readings = read_readings(path)
    readers = {
        name: reading.model_copy(update={"comments": {}})
        for name, reading in readings.readers.items()
    }
    readings.model_copy(update={"readers": readers}).write(path)

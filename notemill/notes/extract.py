"""From one query or files, or from another cut, to a cohort's shards: every row accounted for.

Whatever happens in between, one cut is whole: shards are written aside and compared with what the
cohort was, answers are copied, and then one file says that the new cut is in force.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import notemill
from notemill.config import Cohort, Database
from notemill.database.keys import check_key_length
from notemill.database.waiting import when_there
from notemill.errors import NotemillError
from notemill.files import explained, private_folder, sync, write_text
from notemill.locks import LockedFile
from notemill.logs import log
from notemill.notes.conflicts import IdConflicts, RowSet
from notemill.notes.cut import Cut, read_cut, write_cut
from notemill.notes.file_rows import read_files
from notemill.notes.frozen import check_same_cohort, check_same_files, give_up
from notemill.notes.manifest import Counts, Frozen, Manifest, Snapshot, read_frozen
from notemill.notes.purged import texts_come_back
from notemill.notes.recut import (
    CohortAnswers,
    clear_cuts,
    gather_answers,
    other_cuts,
    other_notes,
    remove_result_shards,
    withdrawn,
)
from notemill.notes.rows import read_rows
from notemill.notes.shard import ROW
from notemill.notes.spool import Spool
from notemill.notes.text import TextState
from notemill.paths import Layout, cut_name

_ASIDE = ".aside"
_EXAMPLES = 1000


def extract(
    database: Database | None, name: str, cohort: Cohort, layout: Layout, answers: CohortAnswers
) -> Manifest:
    """Bring the cohort into its notes shards and write the manifest last.

    A cohort that was read before is not read again: its notes come from the cut in force, and from
    the query or files only if that is damaged. Answers move to another number of shards with their
    texts. database: None for a cohort of files, which needs none.

    Raises NotemillError when the query fails or a line is broken, when there is no note, when a
    column or an id is missing, when one id has different texts (unless the cohort says which to
    keep), when a cohort that was extracted before does not read the same or its files changed, or
    while a job answers the cut that is to be given up. Then everything is as it was.
    """
    folder = private_folder(layout.cohort(name))
    with closing(LockedFile(folder / ".lock", f"extracting cohort '{name}'")):
        frozen = read_frozen(layout.frozen(name))
        if frozen:
            check_same_cohort(name, cohort, frozen, layout)
            frozen = check_same_files(name, cohort, frozen, layout)
            gather_answers(layout, name, answers, into=frozen.cut)
            if frozen.cut != cohort.shards:
                answers.refuse_while_answered(frozen.cut)
        aside = _emptied(folder / _ASIDE)
        try:
            if frozen:
                snapshot, cut = _same_again(database, name, cohort, layout, frozen, aside)
            else:
                snapshot, cut = _from_source(database, name, cohort, layout, aside)
            manifest = Manifest(**snapshot.model_dump(exclude={"cut"}), shards=cut.entries)
            texts_come_back(layout, name)
            _put_in_force(manifest, frozen, layout, aside, answers)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    counts = {of: count for of, count in manifest.counts.model_dump().items() if count}
    told = ", ".join(f"{count:,} {of}" for of, count in counts.items())
    log.info("cohort '%s': %s", name, told or "no rows")
    return manifest


def _emptied(aside: Path) -> Path:
    """A folder for what is not in force yet, without what a killed extract left there."""
    shutil.rmtree(aside, ignore_errors=True)
    return private_folder(aside)


def _same_again(
    database: Database | None,
    name: str,
    cohort: Cohort,
    layout: Layout,
    frozen: Frozen,
    aside: Path,
) -> tuple[Snapshot, Cut]:
    """The frozen cohort, from a cut on disk or, if none is whole, from its source."""
    problems = []
    for shards in (frozen.cut, *other_notes(layout, name, frozen.cut)):
        notes = layout.notes_folder(name, cut_name(shards))
        try:
            there = read_cut(notes, shards, frozen.id_columns)
            cut = write_cut(aside, there, cohort.shards, frozen.id_columns)
        except NotemillError as damage:
            problems.append(f"{damage.what} ({damage.where})")
        else:
            if cut.digest == frozen.digest:
                log.info("the notes came from the %d shards on disk, which are whole", shards)
                return frozen, cut
            problems.append("the notes shards are not those that were written")
        _emptied(aside)
    problem = problems[0]
    source = {"query": "the query", "files": "the source"}[cohort.source_key]
    log.warning("%s is read again, because %s", source, problem)
    now, cut = _from_source(database, name, cohort, layout, aside)
    if cut.digest != frozen.digest:
        raise NotemillError(
            f"cohort '{name}' was read on {frozen.extracted_at} with {frozen.counts.notes} notes; "
            f"its shards are not whole any more: {problem}; and now {source} gives "
            f"{now.counts.notes} notes that are not the same",
            where=str(layout.notes_folder(name, cut_name(frozen.cut))),
            remedy="nothing was changed. Bring the shard back from a backup and run again. "
            + give_up(name, layout),
        )
    return frozen, cut


def _from_source(
    database: Database | None, name: str, cohort: Cohort, layout: Layout, aside: Path
) -> tuple[Snapshot, Cut]:
    def read() -> tuple[Snapshot, Cut]:
        return _read_once(database, name, cohort, layout, _emptied(aside))

    if cohort.files is not None:
        return read()
    return when_there(_needed(database, name), f"reading cohort '{name}'", read)


def _read_once(
    database: Database | None, name: str, cohort: Cohort, layout: Layout, aside: Path
) -> tuple[Snapshot, Cut]:
    started = time.monotonic()
    counts = Counts()
    with Spool(aside) as spool, IdConflicts(aside) as conflicts:
        if cohort.files is None:
            read = read_rows(_needed(database, name), name, cohort, spool, conflicts)
        else:
            read = read_files(name, cohort, spool, conflicts)
        counts.rows = read.rows
        if database:  # here, because the cohort is frozen when it is loaded
            check_key_length(read.ids, database.dialect)
        dropped = _rows_to_drop(name, cohort, layout, spool, conflicts)
        notes = _distinct(spool.notes(), dropped, counts, cohort.id_columns)
        cut = write_cut(aside, notes, cohort.shards, read.ids)
    counts.texts = sum(entry.texts for entry in cut.entries)
    snapshot = Snapshot(
        cohort=name,
        query=cohort.query,
        files=read.files,
        id_columns=read.ids,
        text_column=cohort.text_column,
        same_id_different_text=cohort.same_id_different_text,
        counts=counts,
        digest=cut.digest,
        extracted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - started, 1),
        server=read.server,
        notemill=notemill.__version__,
    )
    return snapshot, cut


def _needed(database: Database | None, name: str) -> Database:
    if database is None:
        raise NotemillError(
            f"cohort '{name}' has a query, and no database is configured",
            where=f"cohorts.{name}.query",
            remedy="add the section `database`, or name `files` in place of the query",
        )
    return database


def _rows_to_drop(
    name: str, cohort: Cohort, layout: Layout, spool: Spool, conflicts: IdConflicts
) -> RowSet | None:
    """Numbers of the rows to leave out, where an id came with different texts."""
    told = layout.conflicting_ids(name)
    told.unlink(missing_ok=True)
    if cohort.same_id_different_text != "error":
        return conflicts.rows_to_drop(keep=cohort.same_id_different_text)
    examples, count = conflicts.examples(_EXAMPLES)
    if count:
        rows = ["\t".join(map(str, ids)) for ids in spool.ids_of(examples, cohort.id_columns)]
        write_text(told, "\n".join(["\t".join(cohort.id_columns), *rows]) + "\n")
        raise NotemillError(
            f"{count} ids of cohort '{name}' come with different texts; "
            f"{'some of them' if count > len(rows) else 'they'} are listed in {told}",
            where=f"cohorts.{name}.{cohort.source_key}",
            remedy="add the column that tells them apart to id_columns, or say which row to keep "
            "with `same_id_different_text: first` (or last)"
            + (" and an ORDER BY in the query" if cohort.files is None else ""),
        )
    return None


def _distinct(
    spooled: Iterator[pa.Table], dropped: RowSet | None, counts: Counts, ids: list[str]
) -> Iterator[pa.Table]:
    """Notes without dropped rows and repeated ids, each row of the source counted once."""
    last: pa.Table | None = None
    for table in spooled:
        if dropped:
            left = ~dropped.has(table[ROW].to_numpy())
            counts.dropped += len(table) - int(left.sum())
            table = table.filter(pa.array(left))
        names = table.select([*ids, "text_sha256"])
        new = _differs(names if last is None else pa.concat_tables([last, names]))
        new = new if last is None else new[1:]
        if len(names):
            last = names.slice(len(names) - 1)
        counts.collapsed += len(table) - int(new.sum())
        if not new.all():
            table = table.filter(pa.array(new))
        _count(table, counts)
        yield table


def _differs(table: pa.Table) -> np.ndarray:
    """Which rows are not the row before them; the first one is not."""
    new = np.zeros(len(table), dtype=bool)
    new[:1] = True
    for column in table.columns if len(table) > 1 else ():
        new[1:] |= pc.not_equal(column[1:], column[:-1]).to_numpy()
    return new


def _count(notes: pa.Table, counts: Counts) -> None:
    states = notes["text_state"].to_pylist()
    counts.notes += len(notes)
    counts.blank += len(notes) - states.count(TextState.OK)
    counts.null += states.count(TextState.NULL)
    counts.replaced += int(np.count_nonzero(notes["replaced_bytes"].to_numpy()))


def _put_in_force(
    manifest: Manifest,
    frozen: Frozen | None,
    layout: Layout,
    aside: Path,
    answers: CohortAnswers,
) -> None:
    """Make this the cut in force; the shards aside are whole and the cohort's."""
    name, shards = manifest.cohort, len(manifest.shards)
    before = [frozen.cut] if frozen else other_cuts(layout, name, shards)
    for each in before:
        if each != shards:
            with withdrawn(layout.manifest(name, cut_name(each))):
                answers.move(before=each, after=shards)
            remove_result_shards(layout, name, each)
    _place(aside, private_folder(layout.notes_folder(name, cut_name(shards))))
    if not frozen or frozen.cut != shards:
        snapshot = manifest.model_dump(exclude={"shards"})
        Frozen(**snapshot, cut=shards).write(layout.frozen(name))
    clear_cuts(layout, name, but=shards)
    manifest.write(layout.manifest(name, cut_name(shards)))


def _place(aside: Path, folder: Path) -> None:
    """Rename shards into their folder; what one of them replaces holds the same notes."""
    with explained(folder):
        for path in sorted(aside.glob("*.parquet")):
            path.replace(folder / path.name)
        sync(folder)

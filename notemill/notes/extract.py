"""From one query to a cohort's shards: read once, memory bounded, every row accounted for."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import notemill
from notemill.config import Cohort, Database
from notemill.database.connect import connect, server_name
from notemill.database.refusals import database_errors
from notemill.errors import NotemillError
from notemill.files import private_folder, written_whole
from notemill.load.tables import check_key_length
from notemill.logs import log
from notemill.notes.columns import IdReader, column_positions
from notemill.notes.conflicts import IdConflicts
from notemill.notes.manifest import Counts, Manifest, read_manifest
from notemill.notes.shard import Note, ShardWriter
from notemill.notes.spool import Spool
from notemill.notes.text import TextState, UndecodedText, read_text
from notemill.paths import Layout, frozen_manifest, shard_names
from notemill.progress import Progress

_ROWS_A_FETCH = 1000


def extract(database: Database, name: str, cohort: Cohort, layout: Layout) -> Manifest:
    """Read the cohort's query into its notes shards and write the manifest last.

    Raises NotemillError when the query fails, returns nothing, lacks a column or an id, gives one
    id different texts (unless the cohort says which to keep), or when a cohort that was extracted
    before no longer reads the same.
    """
    started = time.monotonic()
    notes_folder = private_folder(layout.notes_folder(name))
    _clear_leftovers(notes_folder)
    counts = Counts()
    with Spool(notes_folder, cohort.shards) as spool, IdConflicts(notes_folder) as conflicts:
        with database_errors(database, f"reading cohort '{name}'", query_of=name):
            ids, server = _read_rows(database, name, cohort, spool, conflicts, counts)
        check_key_length(ids.columns)  # here, because the cohort is frozen when it is loaded
        dropped = _resolve(name, cohort, spool, conflicts)
        entries = []
        progress = Progress("shards written", total=cohort.shards)
        for number, shard in enumerate(shard_names(cohort.shards)):
            with written_whole(layout.notes(name, shard)) as partial:
                with ShardWriter(partial, ids.columns) as writer:
                    for note in _distinct(spool.notes(number), dropped, counts):
                        writer.add(note)
            entries.append(writer.entry(shard))
            progress.add()
    counts.texts = sum(entry.texts for entry in entries)
    manifest = Manifest(
        cohort=name,
        query=cohort.query,
        id_columns=ids.columns,
        text_column=cohort.text_column,
        counts=counts,
        shards=entries,
        extracted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - started, 1),
        server=server,
        notemill=notemill.__version__,
    )
    _keep_frozen(manifest, frozen_manifest(layout.manifest(name)), name)
    manifest.write(layout.manifest(name))
    log.info("cohort '%s': %s", name, counts.model_dump())
    return manifest


def _clear_leftovers(folder: Path) -> None:
    """Remove what a killed extract left behind; Snakemake's lock keeps a second one away."""
    for leftover in folder.glob(".spool-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _read_rows(
    database: Database,
    name: str,
    cohort: Cohort,
    spool: Spool,
    conflicts: IdConflicts,
    counts: Counts,
) -> tuple[IdReader, str]:
    progress = Progress("rows read")
    with connect(database).connect() as connection:
        server = server_name(connection)
        rows = _streamed(connection, cohort.query)
        if not rows.returns_rows:
            raise NotemillError(
                f"the query of cohort '{name}' gives no rows, because it asks for none",
                where=f"cohorts.{name}.query",
                remedy="write one SELECT as the query",
            )
        positions = column_positions(rows.keys(), cohort, name)
        text_position = positions.pop()
        ids = IdReader(cohort.id_columns, positions, rows.cursor.description, name)
        spool.columns = ids.columns
        for partition in rows.partitions(_ROWS_A_FETCH):
            for row in partition:
                note_ids = ids.read(row)
                text = read_text(_checked_text(row[text_position], cohort, name))
                spool.add(counts.rows, note_ids, text)
                conflicts.add(counts.rows, note_ids, text.sha256)
                counts.rows += 1
            progress.add(len(partition))
    if not counts.rows:
        raise NotemillError(
            f"the query of cohort '{name}' returned nothing",
            where=f"cohorts.{name}.query",
            remedy="run the query in your SQL client and correct it; nothing was written",
        )
    spool.finish()
    return ids, server


def _streamed(connection: sa.Connection, query: str) -> sa.CursorResult[Any]:
    """The query's rows through a server-side cursor, in one read-only transaction."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
        # Undecoded, so that a text with invalid UTF-8 is counted and not an error.
        connection.connection.dbapi_connection.text_factory = UndecodedText  # type: ignore[union-attr]
    else:
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        # The server gives up on a reader that pauses; writing a full spool is such a pause.
        connection.exec_driver_sql("SET SESSION net_write_timeout = 3600")
        connection.commit()
    return connection.execution_options(
        stream_results=True, max_row_buffer=_ROWS_A_FETCH, no_parameters=True
    ).exec_driver_sql(query.strip().rstrip(";"))


def _checked_text(value: Any, cohort: Cohort, name: str) -> str | bytes | None:
    if value is None or isinstance(value, str | bytes):
        return value
    raise NotemillError(
        f"the text column '{cohort.text_column}' holds {type(value).__name__}, not text",
        where=f"cohorts.{name}.text_column",
        remedy="name the column with the note's text, or cast it in the query",
    )


def _resolve(name: str, cohort: Cohort, spool: Spool, conflicts: IdConflicts) -> set[int]:
    """Sequence numbers of the rows to leave out, where an id came with different texts."""
    if cohort.same_id_different_text != "error":
        return conflicts.rows_to_drop(keep=cohort.same_id_different_text)
    examples, count = conflicts.examples()
    if count:
        ids = spool.ids_of(examples)
        named = "; ".join(
            ", ".join(
                f"{column}={value}" for column, value in zip(cohort.id_columns, row, strict=True)
            )
            for row in ids
        )
        raise NotemillError(
            f"{count} ids of cohort '{name}' come with different texts, among them: {named}",
            where=f"cohorts.{name}.query",
            remedy="add the column that tells them apart to id_columns, or say which row to keep "
            "with `same_id_different_text: first` (or last) and an ORDER BY in the query",
        )
    return set()


def _distinct(
    spooled: Iterator[tuple[int, Note]], dropped: set[int], counts: Counts
) -> Iterator[Note]:
    """Notes without dropped rows and repeated ids, each row of the query counted once."""
    last: tuple[bytes, tuple[Any, ...]] | None = None
    for sequence, note in spooled:
        if sequence in dropped:
            counts.dropped += 1
            continue
        if last == (note.text_sha256, note.ids):
            counts.collapsed += 1
            continue
        last = (note.text_sha256, note.ids)
        counts.notes += 1
        counts.blank += note.state is not TextState.OK
        counts.null += note.state is TextState.NULL
        counts.replaced += note.replaced_bytes > 0
        yield note


def _keep_frozen(manifest: Manifest, frozen: Path, name: str) -> None:
    """Hold a cohort that is read again to what it was: its answers belong to those notes."""
    if not frozen.exists():
        manifest.write(frozen)
        return
    before = read_manifest(frozen)
    if not manifest.same_notes(before):
        raise NotemillError(
            f"cohort '{name}' was read on {before.extracted_at} with {before.counts.notes} notes, "
            f"and now the query gives {manifest.counts.notes} notes that are not the same",
            where=str(frozen),
            remedy="a cohort is a frozen snapshot: put the new notes into a cohort with another "
            f"name. To give this one up with all its answers, delete {frozen.parent} and its "
            "folder below answers/",
        )

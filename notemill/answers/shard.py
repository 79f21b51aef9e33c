"""A result shard: one row a note, answered or not, and what made it in the file's metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from notemill.answers.columns import AnswerColumn
from notemill.answers.outcome import OUTCOME_COLUMNS, Outcome
from notemill.answers.verdict import Status
from notemill.clock import now
from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.files import written_whole
from notemill.notes.shard import READ_ANEW, Note, id_fields, readable_parquet
from notemill.notes.text import TextState

_ROWS_A_GROUP = 1024
_METADATA = b"notemill"
REMEDY = "delete it and run again: its journal has its answers, only failed notes are asked anew"
"""For a result shard that can't be used."""

_ARROW = {
    "word": pa.string(),
    "line": pa.string(),
    "text": pa.string(),
    "count": pa.int32(),
    "seconds": pa.float64(),
    "time": pa.timestamp("us", tz="UTC"),
}
OUTCOME_FIELDS = [
    pa.field("text_sha256", pa.string(), nullable=False),
    *(pa.field(column.name, _ARROW[column.kind], nullable=False) for column in OUTCOME_COLUMNS),
]
"""Columns of every result shard after the ids and before the answer's own."""


class ShardOrigin(BaseModel):
    """What made a result shard, and what it cost.

    texts: distinct texts; failed: those without a valid answer. Of all jobs, as the journal has it
    (answers.journal.Spent): asked, texts asked; tokens, of all attempts; seconds, wall time.
    control_tokens: broken up in all texts together.
    """

    model_config = ConfigDict(frozen=True)

    cohort: str
    shard: str
    experiment: str
    notes_digest: str
    model_digest: str
    weights_sha256: str
    notemill: str
    notes: int
    texts: int
    failed: int
    asked: int
    tokens: int
    seconds: float
    jobs: int
    control_tokens: int = 0


def write_answers(
    path: Path,
    notes: Iterator[Note],
    outcomes: dict[str, Outcome],
    ids: list[IdColumn],
    columns: list[AnswerColumn],
    origin: ShardOrigin,
) -> None:
    """Write the shard; it appears only with a row for every note.

    outcomes: by text hash (hex), one for each text that was asked. Raises NotemillError when the
    notes are not as many as the manifest says.
    """
    schema = pa.schema(
        [*id_fields(ids), *OUTCOME_FIELDS, *(column.arrow for column in columns)],
        metadata={_METADATA: origin.model_dump_json().encode()},
    )
    blank = blank_outcome()
    with written_whole(path) as partial:
        rows = 0
        with pq.ParquetWriter(
            partial, schema, compression="zstd", write_page_checksum=True
        ) as writer:
            for batch in _batches(notes, _ROWS_A_GROUP):
                writer.write_table(_table(batch, outcomes, blank, columns, schema))
                rows += len(batch)
        if rows != origin.notes:
            raise NotemillError(
                f"the notes shard holds {rows} notes, its manifest says {origin.notes}",
                where=str(path),
                remedy=READ_ANEW,
            )


def blank_outcome() -> Outcome:
    """How a blank note ends, which is never asked."""
    return Outcome(Status.BLANK.value, None, "", 0, "", 0, 0, 0.0, "", now())


def read_origin(path: Path) -> ShardOrigin:
    """What made the shard. Raises NotemillError for a damaged file or one of another program."""
    with readable_parquet(path, remedy=REMEDY) as file:
        metadata = file.schema_arrow.metadata or {}
        try:
            return ShardOrigin.model_validate_json(metadata.get(_METADATA, b""))
        except ValidationError:
            raise NotemillError("this is no result shard", where=str(path), remedy=REMEDY) from None


def read_failures(path: Path) -> dict[str, int]:
    """Texts without a valid answer, by status. Raises NotemillError for a damaged file."""
    failures = set()
    with readable_parquet(path, remedy=REMEDY) as file:
        for batch in file.iter_batches(columns=["text_sha256", "status"]):
            failures |= set(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    return dict(
        Counter(status for _, status in failures if status not in (Status.ANSWERED, Status.BLANK))
    )


def read_answers(
    path: Path, rows: int, *, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The shard's rows in its order, at most `rows` at once, with these columns or all.

    Raises NotemillError for a damaged file, one whose columns have other types too.
    """
    with readable_parquet(path, remedy=REMEDY) as file:
        # The file's own description has no checksum: a name or a zone that is no text shows here.
        there = dict(zip(file.schema_arrow.names, file.schema_arrow.types, strict=True))
        if any(there.get(field.name, field.type) != field.type for field in OUTCOME_FIELDS):
            raise NotemillError(
                "this result shard's columns are not of their types", where=str(path), remedy=REMEDY
            )
        if missing := set(columns or ()) - there.keys():
            raise NotemillError(
                f"this result shard lacks the columns {', '.join(sorted(missing))}",
                where=str(path),
                remedy=REMEDY,
            )
        yield from file.iter_batches(batch_size=rows, columns=columns)


def _batches(notes: Iterator[Note], size: int) -> Iterator[list[Note]]:
    batch = []
    for note in notes:
        batch.append(note)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _table(
    notes: list[Note],
    outcomes: dict[str, Outcome],
    blank: Outcome,
    columns: list[AnswerColumn],
    schema: pa.Schema,
) -> pa.Table:
    rows = []
    for note in notes:
        text_sha256 = note.text_sha256.hex()
        outcome = outcomes[text_sha256] if note.state is TextState.OK else blank
        rows.append(
            (
                *note.ids,
                text_sha256,
                *outcome.values(),
                *(column.value(outcome.answer) for column in columns),
            )
        )
    arrays = [
        pa.array(values, field.type)
        for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)

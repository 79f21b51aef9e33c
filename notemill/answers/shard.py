"""A result shard: one row a note, answered or not, and what made it in the file's metadata."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from notemill.answers.columns import AnswerColumn, evidence_columns, gate_columns, gate_values
from notemill.answers.grading import Graded, grade
from notemill.answers.outcome import OUTCOME_COLUMNS, Outcome
from notemill.answers.verdict import NOT_ASKED, Status
from notemill.clock import now
from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.files import written_whole
from notemill.notes.shard import READ_ANEW, Note, id_fields, readable_parquet
from notemill.notes.text import TextState
from notemill.tasks.evidence import Evidence
from notemill.tasks.gate import WHOLE, Gate, Gated

_ROWS_A_GROUP = 1024
_METADATA = b"notemill"
_SUM = b"notemill_sha256"
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
    control_tokens: broken up in all texts together. evidence: what grades come from, as `graded_by`
    says it; empty without. settled: texts, of `texts`, that the gate settled and no one asked.
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
    evidence: str = ""
    settled: int = 0


def write_answers(
    path: Path,
    notes: Iterator[Note],
    outcomes: dict[str, Outcome],
    ids: list[IdColumn],
    columns: list[AnswerColumn],
    origin: ShardOrigin,
    evidence: Evidence | None = None,
    gate: Gate | None = None,
    gated: Mapping[str, Gated] = MappingProxyType({}),
) -> None:
    """Write the shard; it appears only with a row for every note.

    outcomes: by text hash (hex), one for each text that was asked. evidence, gate: of the task;
    with one of them the notes must come with their texts. gated: by text hash. Raises NotemillError
    when the notes are not as many as the manifest says.
    """
    further = [evidence_columns(evidence), gate_columns(gate)]
    made_by = origin.model_dump_json().encode()
    schema = pa.schema(
        [*id_fields(ids), *OUTCOME_FIELDS, *(column.arrow for column in chain(columns, *further))],
        metadata={_METADATA: made_by, _SUM: _sum(made_by)},
    )
    blank, settled = blank_outcome(), settled_outcome()
    asked_and_settled = {sha: settled for sha, each in gated.items() if each.settled} | outcomes
    with written_whole(path) as partial:
        rows = 0
        with pq.ParquetWriter(
            partial, schema, compression="zstd", write_page_checksum=True
        ) as writer:
            rows_of = _rows(notes, outcomes, evidence, gated)
            for batch in _batches(rows_of, _ROWS_A_GROUP):
                table = _table(batch, asked_and_settled, blank, [columns, *further], schema)
                writer.write_table(table)
                rows += len(batch)
        if rows != origin.notes:
            raise NotemillError(
                f"the notes shard holds {rows} notes, its manifest says {origin.notes}",
                where=str(path),
                remedy=READ_ANEW,
            )


def _sum(made_by: bytes) -> bytes:
    return hashlib.sha256(made_by).hexdigest().encode()


def blank_outcome() -> Outcome:
    """How a blank note ends, which is never asked."""
    return Outcome(Status.BLANK.value, None, "", 0, "", 0, 0, 0.0, "", now())


def settled_outcome() -> Outcome:
    """How a note ends that the task's gate settles, which is never asked."""
    return replace(blank_outcome(), status=Status.NOT_RELEVANT.value)


def read_origin(path: Path) -> ShardOrigin:
    """What made the shard. Raises NotemillError for a damaged file or one of another program."""
    with readable_parquet(path, remedy=REMEDY) as file:
        metadata = file.schema_arrow.metadata or {}
        made_by = metadata.get(_METADATA, b"")
        if metadata.get(_SUM, _sum(made_by)) != _sum(made_by):  # older shards have none
            raise NotemillError(
                "what is told of this result shard in it is damaged", where=str(path), remedy=REMEDY
            )
        try:
            return ShardOrigin.model_validate_json(made_by)
        except ValidationError:
            raise NotemillError("this is no result shard", where=str(path), remedy=REMEDY) from None


def read_failures(path: Path) -> dict[str, int]:
    """Texts without a valid answer, by status. Raises NotemillError for a damaged file."""
    failures = set()
    with readable_parquet(path, remedy=REMEDY) as file:
        for batch in file.iter_batches(columns=["text_sha256", "status"]):
            failures |= set(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    return dict(
        Counter(status for _, status in failures if status not in (Status.ANSWERED, *NOT_ASKED))
    )


def read_failed(
    path: Path, wanted: Collection[str] = (), *, settled: bool = False
) -> dict[str, Outcome]:
    """How texts without a valid answer ended, by hash (hex), only `wanted` ones if there are any.

    settled: those that the task's gate settled, too.

    Raises as `read_answers` does.
    """
    found = {}
    fields = {field.name for field in OUTCOME_FIELDS}
    left_out = {Status.ANSWERED, Status.BLANK, *(() if settled else NOT_ASKED)}
    for batch in read_answers(path, _ROWS_A_GROUP):
        there = [name for name in batch.schema.names if name in fields]  # an older shard has fewer
        for row in batch.select(there).to_pylist():
            sha = row.pop("text_sha256")
            if row["status"] not in left_out and (not wanted or sha in wanted):
                row["answered_at"] = row["answered_at"].isoformat(timespec="seconds")
                found[sha] = Outcome(answer=None, **row)
    return found


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


_Row = tuple[Note, Graded | None, dict[str, Any] | None]
"""A note without its text, its answer's evidence, and what stands in the gate's columns."""


def _rows(
    notes: Iterator[Note],
    outcomes: dict[str, Outcome],
    evidence: Evidence | None,
    gated: Mapping[str, Gated],
) -> Iterator[_Row]:
    """Each note, one text in memory at once; equal ones are neighbours and graded once."""
    last, graded, of_gate = b"", None, None
    for note in notes:
        if note.text_sha256 != last:
            last, text = note.text_sha256, note.text or ""
            is_text, sha = note.state is TextState.OK, note.text_sha256.hex()
            did, outcome = gated.get(sha, WHOLE), outcomes.get(sha)
            answer = outcome.answer if outcome and is_text else None
            graded = None
            if evidence and answer is not None:
                graded = grade(text, answer, evidence, did)
            of_gate = gate_values(did, len(text)) if is_text else None
        yield note._replace(text=None), graded, of_gate


def _batches(rows: Iterator[_Row], size: int) -> Iterator[list[_Row]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _table(
    notes: list[_Row],
    outcomes: dict[str, Outcome],
    blank: Outcome,
    columns: list[list[AnswerColumn]],
    schema: pa.Schema,
) -> pa.Table:
    of_answers, of_evidence, of_gate = columns
    rows = []
    for note, graded, did in notes:
        text_sha256 = note.text_sha256.hex()
        outcome = outcomes[text_sha256] if note.state is TextState.OK else blank
        rows.append(
            (
                *note.ids,
                text_sha256,
                *outcome.values(),
                *(column.value(outcome.answer) for column in of_answers),
                *(column.value(graded.values() if graded else None) for column in of_evidence),
                *(column.value(did) for column in of_gate),
            )
        )
    arrays = [
        pa.array(values, field.type)
        for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)

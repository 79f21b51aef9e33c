"""The rows of a file: those of the result shards, with whose they are, in the source's order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from notemill.answers.columns import (
    EVIDENCE_GRADE,
    GATE_RULE,
    GATE_SENT,
    AnswerColumn,
    answer_columns,
    evidence_columns,
    gate_columns,
)
from notemill.answers.grades import Grade
from notemill.answers.shard import OUTCOME_FIELDS, REMEDY, read_answers
from notemill.database.keys import WHOSE
from notemill.errors import NotemillError
from notemill.load.proof import Proof
from notemill.load.rows import Asked
from notemill.load.sorting import Sorted
from notemill.load.work import Load
from notemill.logs import log
from notemill.notes.manifest import ShardEntry
from notemill.notes.shard import ROW, id_fields, read_tables, text_hashes
from notemill.outputs.steps import Steps
from notemill.paths import Layout, cut_name
from notemill.tasks.gate import DID

_ROWS = 1024
_BATCH_ROWS = 4096
_BATCH_BYTES = 4 << 20
_BESIDE = ("status", "detail")
"""How a note ended, which stands before its answer."""


class OrderedRows:
    """All rows of an experiment over a cohort, each note once, in the order of the source.

    columns: of the answer. schema: of a file's rows. in_order: false for a cohort that was read
    before rows had numbers; its rows come in the order of the ids. proof: what was counted, values
    apart; asked: of the rows that were asked.
    """

    def __init__(self, work: Load, layout: Layout) -> None:
        """All rows are taken when this is entered."""
        task = work.run.task
        ids = work.manifest.id_columns
        self.id_names = [column.name for column in ids]
        self.columns = answer_columns(task, work.run.experiment.answer_prefix, ids)
        further = [*evidence_columns(task.evidence), *gate_columns(task.gate)]
        self.schema = _schema(work, self.columns, further)
        self.in_order = True
        self.proof = Proof(
            evidence=dict.fromkeys(map(str, Grade), 0) if task.evidence else None,
            gate={} if task.gate else None,
        )
        self.asked = Asked()
        self._work = work
        self._layout = layout
        self._sorted: Sorted | None = None

    def __enter__(self) -> Self:
        try:
            for rows in self._all():
                self._count(rows)
                self._sorter(rows).add(rows)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        counted, notes = self.proof.counts.total(), self._work.manifest.counts.notes
        if counted != notes:
            raise NotemillError(
                f"the count does not come out: {notes} notes in the cohort, {counted} in the "
                f"result shards ({dict(self.proof.counts)}); nothing was written",
                where=str(self._work.shards[0].parent),
                remedy=REMEDY,
            )
        if self.proof.gate is not None:
            self.proof.gate = {name: self.proof.gate[name] for name in sorted(self.proof.gate)}
        if not self.in_order:
            log.warning(
                "cohort '%s' was read by a version that did not keep the order of its rows: files "
                "have them in the order of the ids",
                self._work.manifest.cohort,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._sorted is not None:
            self._sorted.__exit__(kind, error, trace)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows with their numbers (`ROW`, the last column), some at once; anew each time."""
        assert self._sorted is not None
        for batch in self._sorted.batches(_BATCH_ROWS):
            rows = max(1, batch.num_rows * _BATCH_BYTES // max(batch.nbytes, 1))
            for first in range(0, batch.num_rows, rows):
                yield batch.slice(first, rows)

    def _sorter(self, rows: pa.RecordBatch) -> Sorted:
        if self._sorted is None:
            self.in_order = rows.column(ROW).null_count == 0
            self._sorted = Sorted(rows.schema, [ROW] if self.in_order else self.id_names)
        if self.in_order != (rows.column(ROW).null_count == 0):
            raise NotemillError(
                "some notes shards have their rows' numbers and others have none",
                where=str(self._layout.cohort(self._work.manifest.cohort)),
                remedy="run snakemake once with `--forcerun extract` added",
            )
        return self._sorted

    def _all(self) -> Iterator[pa.RecordBatch]:
        """Every row of every shard, beside the note that it is of."""
        manifest = self._work.manifest
        for entry, path in zip(manifest.shards, self._work.shards, strict=True):
            steps = Steps(self._notes(entry), read_answers(path, _ROWS))
            for notes, rows in steps:
                if not _of_these(notes, rows, self.id_names):
                    raise self._out_of_step(path)
                yield self._whole(notes, rows, path)
            if steps.left_over:
                raise self._out_of_step(path)

    def _notes(self, entry: ShardEntry) -> Iterator[pa.RecordBatch]:
        manifest = self._work.manifest
        cut = cut_name(len(manifest.shards))
        path = self._layout.notes(manifest.cohort, cut, entry.name)
        for table in read_tables(path, manifest.id_columns, with_text=False):
            hashes = text_hashes(table).tobytes().hex()
            hexadecimal = [hashes[place : place + 64] for place in range(0, len(hashes), 64)]
            of_notes = table.select([*self.id_names, ROW])
            of_notes = of_notes.append_column("text_sha256", pa.array(hexadecimal, pa.string()))
            yield from of_notes.combine_chunks().to_batches()

    def _whole(self, notes: pa.RecordBatch, rows: pa.RecordBatch, path: Path) -> pa.RecordBatch:
        run, manifest = self._work.run, self._work.manifest
        named = (run.name, run.experiment_id, manifest.cohort)
        whose = dict(zip(WHOSE, named, strict=True))
        columns = []
        for field in self.schema:
            if field.name in whose:
                columns.append(pa.repeat(pa.scalar(whose[field.name]), rows.num_rows))
                continue
            place = rows.schema.get_field_index(field.name)
            if place < 0 or rows.schema.field(place).type != field.type:
                raise NotemillError(
                    f"this result shard lacks the column {field.name}, or has another type of it",
                    where=str(path),
                    remedy=REMEDY,
                )
            columns.append(rows.column(place))
        return pa.RecordBatch.from_arrays(
            [*columns, notes.column(ROW)], schema=self.schema.append(pa.field(ROW, pa.int64()))
        )

    def _count(self, rows: pa.RecordBatch) -> None:
        self.asked.add(rows)
        for each in pc.value_counts(rows.column("status")).to_pylist():
            self.proof.counts[each["values"]] += each["counts"]
        if self.proof.evidence is not None:
            grades = rows.column(EVIDENCE_GRADE).drop_null()
            for each in pc.value_counts(grades).to_pylist():
                self.proof.evidence[each["values"]] += each["counts"]
        if self.proof.gate is not None:
            sent = rows.column(GATE_SENT).to_pylist()
            for rule, share in zip(rows.column(GATE_RULE).to_pylist(), sent, strict=True):
                if rule is not None:
                    did = DID[0] if share <= 0 else DID[1] if share < 1 else DID[2]
                    self.proof.gate.setdefault(rule, dict.fromkeys(DID, 0))[did] += 1

    def _out_of_step(self, path: Path) -> NotemillError:
        return NotemillError(
            "this result shard's rows are not those of the notes shard, one for each note",
            where=str(path),
            remedy=REMEDY,
        )


def _schema(work: Load, answers: list[AnswerColumn], further: list[AnswerColumn]) -> pa.Schema:
    """The columns of the tables, of both: ids, how it ended, the answer, whose and from where."""
    outcome = {field.name: field for field in OUTCOME_FIELDS}
    return pa.schema(
        [
            *id_fields(work.manifest.id_columns),
            *(outcome.pop(name) for name in _BESIDE),
            *(column.arrow for column in answers),
            *(pa.field(name, pa.string(), nullable=False) for name in WHOSE),
            *outcome.values(),
            *(column.arrow for column in further),
        ]
    )


def _of_these(notes: pa.RecordBatch, rows: pa.RecordBatch, ids: list[str]) -> bool:
    """Whether the rows are these notes' own, by ids and text."""
    return all(
        name in rows.schema.names and notes.column(name).equals(rows.column(name))
        for name in [*ids, "text_sha256"]
    )

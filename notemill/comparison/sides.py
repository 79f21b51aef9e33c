"""The two experiments of a comparison: their result shards, and what is known of their answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from notemill.answers.choices import alternatives, choices_of
from notemill.answers.columns import AnswerColumn, columns_of_schema
from notemill.answers.experiment_record import Asked, asked_of, experiment_record
from notemill.answers.shard import ShardOrigin, read_answers, read_origin
from notemill.comparison.record import FieldKind
from notemill.errors import NotemillError
from notemill.evaluation.fields import MOST_CLASSES
from notemill.notes.manifest import Manifest
from notemill.paths import Layout
from notemill.tasks.run import Run

ROWS = 10_000
"""Rows that are looked at together."""


@dataclass(frozen=True)
class AnswerField:
    """A field of the answer. choices: the values that it can have, None if they are no list."""

    column: AnswerColumn
    kind: FieldKind
    choices: list[Any] | None


@dataclass(frozen=True)
class Answered:
    """An experiment's answers over a cohort. asked: None where nothing is known of it any more.

    fields: by name, in the schema's order, None as asked. shards: in the manifest's order.
    """

    experiment: str
    model: str
    asked: Asked | None
    fields: dict[str, AnswerField] | None
    shards: list[Path]
    origins: list[ShardOrigin]

    @property
    def name(self) -> str:
        """The experiment's in the configuration, of now or then."""
        return self.experiment.rpartition("-")[0]

    def rows(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """These columns of all notes, in the order of the shards."""
        for path in self.shards:
            yield from read_answers(path, ROWS, columns=columns)


def answered(
    layout: Layout, manifest: Manifest, cut: str, experiment_id: str, run: Run | None
) -> Answered:
    """An experiment's answers. run: None of one that the configuration does not have any more.

    Raises NotemillError for shards that are not there, or answer other notes than the cohort's.
    """
    shards = [
        layout.answers(manifest.cohort, experiment_id, cut, entry.name) for entry in manifest.shards
    ]
    origins = []
    for path, entry in zip(shards, manifest.shards, strict=True):
        origin = _origin(path)
        if (origin.experiment, origin.notes_digest) != (experiment_id, entry.digest):
            raise NotemillError(
                f"this result shard is not of {experiment_id} and the cohort's notes as they are",
                where=str(path),
                remedy="it was moved here, or the cohort is another one by now; delete it and run "
                "again with that experiment in the configuration",
            )
        origins.append(origin)
    record = experiment_record(layout, experiment_id)
    asked = asked_of(run) if run else record.asked if record else None
    model = run.experiment.model if run else record.model if record else ""
    fields = fields_of(asked) if asked else None
    return Answered(experiment_id, model, asked, fields, shards, origins)


def fields_of(asked: Asked) -> dict[str, AnswerField]:
    """The answer's fields, by what was asked."""
    schema = asked.json_schema
    return {
        column.field: _field(column, choices_of(schema, column.field), schema)
        for column in columns_of_schema(schema, asked.answer_prefix)
    }


def _field(column: AnswerColumn, choices: list[Any] | None, schema: dict[str, Any]) -> AnswerField:
    if choices is not None:
        many = len(choices) > MOST_CLASSES
        return AnswerField(column, "text" if many else "choices", choices)
    if column.kind in ("integer", "number"):
        return AnswerField(column, "number", None)
    kinds = [option.get("type") for option in alternatives(schema, column.field)]
    if column.kind == "json" and [kind for kind in kinds if kind != "null"] == ["array"]:
        return AnswerField(column, "items", None)
    return AnswerField(column, "text", None)


def _origin(path: Path) -> ShardOrigin:
    if not path.exists():
        raise NotemillError(
            "this result shard is not there",
            where=str(path),
            remedy="run snakemake with your profile to its end first; an earlier experiment's "
            "shards are gone if the cohort was cut into another number of shards since: it can be "
            "answered again from its journals with its task in the configuration",
        )
    return read_origin(path)

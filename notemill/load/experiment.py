"""The row that says how an experiment's answers were made, for the methods section."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

import notemill
from notemill.answers.experiment_record import asked_of
from notemill.answers.shard import ShardOrigin
from notemill.answers.verdict import Status
from notemill.errors import NotemillError
from notemill.load.proof import Proof
from notemill.load.rows import Asked
from notemill.load.tables import Tables
from notemill.load.values import given_back_otherwise
from notemill.load.work import Load


def write_experiment(
    connection: sa.Connection,
    tables: Tables,
    work: Load,
    origins: list[ShardOrigin],
    asked: Asked,
    proof: Proof,
) -> None:
    """Write the experiment's row over this cohort, in place of an earlier one."""
    row, table = experiment_row(work, origins, asked, proof), tables.experiments
    connection.execute(
        sa.delete(table).where(
            table.c.experiment == row["experiment"], table.c.cohort == row["cohort"]
        )
    )
    connection.execute(sa.insert(table), row)
    _prove(connection, table, row)


def experiment_row(
    work: Load, origins: list[ShardOrigin], asked: Asked, proof: Proof
) -> dict[str, Any]:
    """How the answers of an experiment over a cohort were made, by the table's columns."""
    manifest, asked_as = work.manifest, asked_of(work.run)
    counts = proof.counts
    blank = counts[Status.BLANK.value]
    answered = counts[Status.ANSWERED.value]
    settled = counts[Status.NOT_RELEVANT.value]
    row = {
        "experiment": work.run.experiment_id,
        "cohort": manifest.cohort,
        "name": work.run.name,
        "task": asked_as.task,
        "model": work.run.experiment.model,
        "model_digest": origins[0].model_digest,
        "weights_sha256": origins[0].weights_sha256,
        "engines": ", ".join(sorted(asked.engines)),
        "system_prompt": asked_as.system_prompt,
        "user_prompt": asked_as.user_prompt,
        "schema_source": asked_as.schema_source,
        "json_schema": json.dumps(asked_as.json_schema),
        "options": json.dumps(asked_as.options),
        "cohort_query": manifest.source,
        "extracted_at": _plain_utc(datetime.fromisoformat(manifest.extracted_at)),
        "first_answer_at": asked.first,
        "last_answer_at": asked.last,
        "notes": manifest.counts.notes,
        "texts": manifest.counts.texts,
        "answered": answered,
        "failed": counts.total() - answered - blank - settled,
        "blank": blank,
        "job_seconds": round(sum(origin.seconds for origin in origins), 1),
        "tokens": sum(origin.tokens for origin in origins),
        "evidence": None if proof.evidence is None else json.dumps(proof.evidence),
        "loaded_at": _plain_utc(datetime.now(UTC)).replace(microsecond=0),
        "notemill": notemill.__version__,
    }
    if proof.gate is not None:
        row |= {"not_relevant": settled, "gate": json.dumps(proof.gate)}
    return row


def _prove(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> None:
    """The row as a SELECT gives it back is the row as it was written."""
    told = given_back_otherwise(connection, table, [row], ("experiment", "cohort"))
    if told:
        raise NotemillError(
            f"the database gives back another row of {table.name} than it was given: "
            f"{', '.join(told)}; nothing was changed",
            where=table.name,
            remedy="does a trigger or another program change this table? Load into a fresh one "
            "(experiments_table) and compare",
        )


def _plain_utc(time_with_zone: datetime) -> datetime:
    """MySQL's DATETIME has no zone; all times are UTC (docs/data-model.md)."""
    return time_with_zone.astimezone(UTC).replace(tzinfo=None)

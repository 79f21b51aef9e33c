"""What was asked, of which model, on which notes."""

from __future__ import annotations

import json

from notemill.answers.experiment_record import ExperimentRecord, asked_of, experiment_record
from notemill.comparison.fields import label_of
from notemill.engines.record import ModelRecord, read_record
from notemill.errors import NotemillError
from notemill.notes.manifest import Snapshot
from notemill.paths import Layout
from notemill.report.count import exactly
from notemill.report.record import CohortRead, ExperimentAsked, ModelUsed
from notemill.tasks.note_first import as_sent
from notemill.tasks.run import Run
from notemill.tasks.task import NOTE_PLACE


def cohort_read(manifest: Snapshot) -> CohortRead:
    """Which notes a cohort has."""
    counts = manifest.counts
    return CohortRead(
        name=manifest.cohort,
        query=manifest.source,
        source="query" if manifest.files is None else "files",
        id_columns=[column.name for column in manifest.id_columns],
        text_column=manifest.text_column,
        same_id_different_text=manifest.same_id_different_text,
        server=manifest.server,
        extracted_at=manifest.extracted_at,
        digest=manifest.digest,
        notemill=manifest.notemill,
        rows=exactly(counts.rows),
        collapsed=exactly(counts.collapsed),
        dropped=exactly(counts.dropped),
        notes=exactly(counts.notes),
        blank=exactly(counts.blank),
        null=exactly(counts.null),
        texts=exactly(counts.texts),
        asked=exactly(counts.notes - counts.blank),
    )


def experiment_asked(run: Run, layout: Layout, engines: list[str]) -> ExperimentAsked:
    """What a run asks, or asked: what its first job kept counts."""
    record = experiment_record(layout, run.experiment_id)
    asked = (record.asked if record else None) or asked_of(run)
    system_prompt, user_prompt = asked.system_prompt, asked.user_prompt
    if "note_first" in asked.options:
        system_prompt, user_prompt = as_sent(system_prompt, user_prompt, NOTE_PLACE)
    return ExperimentAsked(
        name=run.name,
        experiment=run.experiment_id,
        cohorts=run.cohorts,
        task=asked.task,
        system_prompt=system_prompt,
        user_prompt=user_prompt,
        schema_source=asked.schema_source,
        json_schema=json.dumps(asked.json_schema, indent=2, ensure_ascii=False),
        options={
            name: label_of(value) for name, value in asked.options.items() if value is not None
        },
        engine_kind=run.engine.kind,
        engines=engines,
        model=_model(run, layout, record),
    )


def _model(run: Run, layout: Layout, record: ExperimentRecord | None) -> ModelUsed:
    known = _model_record(run, layout)
    if known and record and known.digest != record.digest:
        known = None  # the store has another one by now
    return ModelUsed(
        name=run.experiment.model,
        digest=record.digest if record else known.digest if known else run.experiment.digest or "",
        weights_sha256=(record or known).weights_sha256 if record or known else "",  # type: ignore[union-attr]
        recorded_at=record.recorded_at if record else known.recorded_at if known else "",
        details=known.details if known else {},
    )


def _model_record(run: Run, layout: Layout) -> ModelRecord | None:
    path = layout.model(run.model_id)
    try:
        return read_record(path) if path.exists() else None
    except NotemillError:
        return None

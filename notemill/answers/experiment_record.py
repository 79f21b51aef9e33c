"""The record of an experiment: which model its answers come from, and what was asked.

Its first answer job keeps it. It is written when the engine is proven, not before: an experiment
without an answer comes from no model, and its weights may still be replaced.

An experiment without a pinned digest takes the model that it finds first. To pin that very digest
later, or to unpin it, changes nothing: the record says that the answers which are there are its.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from notemill.answers.grades import graded_by
from notemill.clock import now
from notemill.config import Engine, Experiment
from notemill.engines.record import ModelRecord, read_record
from notemill.errors import EngineRefused, NotemillError
from notemill.files import Record, read_json
from notemill.paths import Layout, model_id
from notemill.tasks.gates import gate_identity
from notemill.tasks.identity import fingerprint
from notemill.tasks.note_first import LAYOUT
from notemill.tasks.run import Run
from notemill.tasks.sentences import SPLITTING
from notemill.tasks.task import Task


class Asked(BaseModel):
    """What was asked, word for word, whatever the task's files say by now.

    schema_source: schema.py and what it uses; options: all that was sent, attempts and the
    engine's kind too. answer_prefix: of the answer's columns in the result shards.
    """

    model_config = ConfigDict(frozen=True)

    task: str
    system_prompt: str
    user_prompt: str
    schema_source: str
    json_schema: dict[str, Any]
    options: dict[str, Any]
    answer_prefix: str


class ExperimentRecord(Record):
    """What an experiment's answers come from. experiment: NAME-FINGERPRINT; recorded_at: UTC.

    asked: None where no job of a version that keeps it has answered yet.
    asked_with: ids of the tasks, it among them, that were to be asked together when it was first
    asked; empty for an experiment of one task. graded: its evidence then, by graded_by.
    """

    experiment: str
    model: str
    digest: str
    weights_sha256: str
    recorded_at: str
    asked: Asked | None = None
    asked_with: tuple[str, ...] = ()
    graded: str = ""


def asked_of(run: Run) -> Asked:
    """What a run asks."""
    task, experiment = run.task, run.experiment
    engine = {name: value for name, value in run.engine.identity.items() if value is not None}
    options = experiment.options.as_sent() | {"attempts": experiment.attempts} | engine
    if task.evidence and task.evidence.numbered:
        options["numbered_sentences"] = SPLITTING
    if gate := gate_identity(task):
        options["gate"] = gate
    if task.note_first:
        options["note_first"] = LAYOUT
    return Asked(
        task=task.name,
        system_prompt=task.system_prompt,
        user_prompt=task.user_prompt,
        schema_source=task.schema_source,
        json_schema=task.json_schema,
        options=options,
        answer_prefix=experiment.answer_prefix,
    )


@dataclass(frozen=True)
class Identity:
    """Which results are an experiment's. remark: what a user wants to know before it runs."""

    fingerprint: str
    remark: str = ""


def identify(
    name: str, experiment: Experiment, engine: Engine, task: Task, layout: Layout
) -> Identity:
    """The experiment's identity, by what is recorded of it.

    Pinned: the one without a pin if it was answered by that very digest. Not pinned: the one
    without a pin if it was begun, else the latest that was begun with one. A run can't change
    this under itself: it writes the record of its own identity alone.
    Raises NotemillError when the model is no longer the one of the answers.
    """

    def pinned_to(digest: str | None) -> str:
        return fingerprint(experiment.model_copy(update={"digest": digest}), engine, task)

    free = pinned_to(None)
    begun = _read(layout.experiment(f"{name}-{free}"))
    pins = [
        record
        for record in map(_read, sorted(layout.experiments.glob(f"{name}-*.json")))
        if record and record.experiment == f"{name}-{pinned_to(record.digest)}"
    ]
    pins.sort(key=lambda record: record.recorded_at)
    if experiment.digest is None:
        record = begun or (pins[-1] if pins else None)
        if record:
            _refuse_changed_model(record, experiment, layout)
        return Identity(free if begun or not record else pinned_to(record.digest))
    if begun and begun.digest == experiment.digest:
        return Identity(free)
    other = begun or (pins[-1] if pins else None)
    anew = other and experiment.digest not in {record.digest for record in pins}
    return Identity(
        pinned_to(experiment.digest),
        f"experiment '{name}' pins the digest {experiment.digest}, its answers so far come from "
        f"{other.digest}: every note is asked anew"
        if other and anew
        else "",
    )


def refuse_wrong_model(layout: Layout, run: Run, model: ModelRecord) -> None:
    """Raise NotemillError when the model is not the pinned one, or not that of the answers."""
    pinned = run.experiment.digest
    if pinned and model.digest != pinned:
        raise EngineRefused(
            f"model '{model.model}' has the digest {model.digest}, the experiment pins {pinned}",
            where=str(layout.model(run.model_id)),
            remedy="put the pinned model into the store, delete this record and run again; or "
            "correct `digest` of the experiment",
        )
    _refuse_another_model(layout, run, model)


def _refuse_another_model(layout: Layout, run: Run, model: ModelRecord) -> None:
    """Raise NotemillError when the experiment's answers come from another model."""
    record = _read(layout.experiment(run.experiment_id))
    if record and record.digest != model.digest and run.experiment.digest is None:
        raise _another_model(record, model.digest, layout.model(run.model_id))


def experiment_record(layout: Layout, experiment_id: str) -> ExperimentRecord | None:
    """The record of an experiment, None before its first answer. Raises NotemillError."""
    return _read(layout.experiment(experiment_id))


def keep_record(
    layout: Layout, run: Run, model: ModelRecord, asked_with: Sequence[str] = ()
) -> None:
    """Write the record of an experiment whose engine is proven and about to be asked, once.

    One that an earlier version wrote comes to say what was asked, and stays else what it is.
    asked_with: see ExperimentRecord.

    Raises NotemillError when its answers come from another model: another job may have been first.
    """
    _refuse_another_model(layout, run, model)
    path = layout.experiment(run.experiment_id)
    kept = _read(path)
    if kept and not kept.asked:
        kept.model_copy(update={"asked": asked_of(run)}).write(path)
    elif not kept and run.experiment.digest in (None, model.digest):
        record = ExperimentRecord(
            experiment=run.experiment_id,
            model=model.model,
            digest=model.digest,
            weights_sha256=model.weights_sha256,
            recorded_at=now(),
            asked=asked_of(run),
            asked_with=tuple(asked_with),
            graded=graded_by(run.task) if asked_with else "",
        )
        record.write(path)


def _refuse_changed_model(record: ExperimentRecord, experiment: Experiment, layout: Layout) -> None:
    path = layout.model(model_id(experiment.engine, experiment.model))
    if path.exists() and (found := read_record(path).digest) != record.digest:
        raise _another_model(record, found, path)


def _another_model(record: ExperimentRecord, found: str, path: Path) -> NotemillError:
    return NotemillError(
        f"the answers of {record.experiment} come from the digest {record.digest}, model "
        f"'{record.model}' now has {found}",
        where=str(path),
        remedy=f"to ask the new model, beside the old answers: `digest: {found}` in the "
        f"experiment; to stay with the old one, put it back into the store, delete {path} and set "
        f"`digest: {record.digest}`",
    )


def _read(path: Path) -> ExperimentRecord | None:
    if not path.exists():
        return None
    return read_json(
        ExperimentRecord,
        path,
        problem="this is no experiment's record",
        remedy="delete it and run again: the next answer job writes it anew",
    )

"""The stage: answers that were loaded, held against labels; figures to a record and to a table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import notemill
from notemill.answers.finished import Finished, finished
from notemill.answers.verdict import Status
from notemill.clock import now
from notemill.config import Config, Evaluation
from notemill.errors import NotemillError
from notemill.evaluation.fields import shape_of
from notemill.evaluation.figures import Compared, Notes, evaluated_parts
from notemill.evaluation.found import FoundNotes, found_answers, found_notes, told_missing
from notemill.evaluation.gold import Gold, read_gold
from notemill.evaluation.history import Past, Use, digest_of
from notemill.evaluation.parts import (
    Headline,
    headline_mask,
    headline_of,
    parts_of,
    shared_with_development,
)
from notemill.evaluation.piloted import Piloted, piloted
from notemill.evaluation.record import (
    EvaluationRecord,
    ExperimentEvaluated,
    FieldEvaluated,
    GoldUsed,
    PilotUse,
)
from notemill.evaluation.rows import rows_of, told_figures
from notemill.evaluation.table import write_rows
from notemill.logs import log
from notemill.paths import Layout, cut_name
from notemill.statistics.figure import DRAWS, LEVEL
from notemill.tasks.run import Run


def evaluate(config: Config, name: str, runs: Sequence[Run]) -> EvaluationRecord:
    """Compute an evaluation's figures, keep them in the database's table, and return their record.

    runs: the experiments that it is of, all loaded. Raises NotemillError for gold that can't be
    taken and for a table that can't keep the figures; then nothing was changed.
    """
    started = time.monotonic()
    work = _read(config, name, runs)
    at, past = now(), Past(Layout(config.results), name)
    uses = [work.use(run, at) for run in runs]
    record = EvaluationRecord(
        name=name,
        cohort=work.evaluation.cohort,
        gold=work.gold_used(),
        headline=work.headline,
        clustered_by="patient" if work.evaluation.patient else "text",
        level=LEVEL,
        draws=DRAWS,
        seed=work.evaluation.seed,
        evaluations_table=config.evaluations_table if config.database else None,
        evaluated_at=at,
        seconds=0.0,
        notemill=notemill.__version__,
        experiments=[work.experiment(run, use, past) for run, use in zip(runs, uses, strict=True)],
    )
    if shared := record.gold.shared_with_development:
        log.warning(
            "%d test notes have a patient or a text that is among the development notes too: they "
            "are not unseen",
            shared,
        )
    if config.database is not None:
        write_rows(config.database, config.evaluations_table, name, rows_of(record))
    past.keep(uses)
    for line in told_figures(record):
        log.info(line)
    return record.model_copy(update={"seconds": round(time.monotonic() - started, 1)})


def _read(config: Config, name: str, runs: Sequence[Run]) -> _Work:
    """Gold and cohort, all that may be refused before anything is computed."""
    evaluation = config.evaluations[name]
    layout, cohort = Layout(config.results), evaluation.cohort
    cut = cut_name(config.cohorts[cohort].shards)
    answers = [finished(layout, cohort, run, cut) for run in runs]
    gold = read_gold(config.database, name, evaluation, answers[0].manifest.id_columns)
    for run in runs:
        for field, column in evaluation.fields.items():
            gold.labels(column, shape_of(run.task, field))
    notes = found_notes(answers[0], gold)
    left_out = len(gold.keys) - len(notes.places)
    if left_out:
        _refuse_missing(name, evaluation, answers[0], gold, notes)
    return _Work(name, evaluation, layout, answers, gold.among(notes.places), notes, left_out)


def _refuse_missing(
    name: str, evaluation: Evaluation, of: Finished, gold: Gold, notes: FoundNotes
) -> None:
    missing = len(gold.keys) - len(notes.places)
    if evaluation.not_in_cohort == "error" or not len(notes.places):
        raise NotemillError(
            f"{missing} of {len(gold.keys)} ids of the gold are not in cohort "
            f"'{evaluation.cohort}': rows {told_missing(of, gold, notes)}",
            where=gold.where,
            remedy="correct these rows (has a spreadsheet program changed the ids? Save them as "
            f"text), or set evaluations.{name}.not_in_cohort: leave_out where the gold has more "
            "notes than the cohort; nothing was computed",
        )
    log.warning("%d ids of the gold are not in the cohort and left out", missing)


@dataclass(frozen=True)
class _Work:
    """Gold that can be taken, its notes in the cohort, and the answers of each experiment."""

    name: str
    evaluation: Evaluation
    layout: Layout
    answers: list[Finished]
    gold: Gold
    notes: FoundNotes
    left_out: int

    @property
    def headline(self) -> Headline:
        return headline_of(self.gold.split, hold_back_test=self.evaluation.hold_back_test)

    def use(self, run: Run, at: str) -> Use:
        """This experiment's figures on these labels, as they are seen now."""
        first = headline_mask(self.gold.split, self.headline, len(self.gold.keys))
        keys = [self.gold.keys[place] for place in np.flatnonzero(first)]
        return Use(
            experiment=run.experiment_id,
            name=run.name,
            gold_sha256=self.gold.sha256,
            notes=digest_of(keys),
            headline=self.headline,
            at=at,
        )

    def gold_used(self) -> GoldUsed:
        gold, split = self.gold, self.gold.split or []
        return GoldUsed(
            kind="query" if self.evaluation.file is None else "file",
            source=self.evaluation.query or str(self.evaluation.file),
            sha256=gold.sha256,
            rows=len(gold.keys) + self.left_out,
            not_in_cohort=self.left_out,
            notes=len(gold.keys),
            texts=len(set(self.notes.texts)),
            patients=None if gold.patients is None else len(set(gold.patients)),
            blank=int(self.notes.blank.sum()),
            split={each: split.count(each) for each in dict.fromkeys(sorted(split))},
            shared_with_development=shared_with_development(split, self.notes.texts, gold.patients),
        )

    def experiment(self, run: Run, use: Use, past: Past) -> ExperimentEvaluated:
        """An experiment's figures."""
        answers = next(each for each in self.answers if each.run is run)
        asked = piloted(self.layout, self.evaluation.cohort, run)
        columns = {field: answers.columns[field] for field in self.evaluation.fields}
        names = [column.column for column in columns.values()]
        statuses, values = found_answers(answers, self.gold, names)
        settled = np.array([each == Status.NOT_RELEVANT for each in statuses], bool)
        answered = np.array([each == Status.ANSWERED for each in statuses], bool)
        earlier, others = past.earlier(use)
        fields = []
        for field, column in columns.items():
            of_field = [column.answered(each) for each in values[column.column]]
            shape, taken_for = shape_of(run.task, field), run.task.settled_as.get(field)
            tolerance = self.evaluation.tolerance.get(field, 0.0)
            labels = self.gold.labels(self.evaluation.fields[field], shape)
            compared = Compared(shape, labels, answered, of_field, tolerance, settled, taken_for)
            fields.append(self._field(compared, asked))
        first = headline_mask(self.gold.split, self.headline, len(self.gold.keys))
        return ExperimentEvaluated(
            experiment=run.experiment_id,
            name=run.name,
            first_evaluated_at=past.first(use),
            pilot=PilotUse(
                pilots=asked.pilots, notes=int((first & asked.mask(self.notes.texts)).sum())
            ),
            earlier=earlier,
            earlier_others=others,
            fields=fields,
        )

    def _field(self, compared: Compared, asked: Piloted) -> FieldEvaluated:
        evaluation, gold, shape = self.evaluation, self.gold, compared.shape
        column = evaluation.fields[shape.field]
        _, texts = np.unique(np.array(self.notes.texts), return_inverse=True)
        whose = texts
        if gold.patients is not None:
            _, whose = np.unique(np.array(gold.patients), return_inverse=True)
        parts = parts_of(
            gold.split,
            self.headline,
            gold.subgroups,
            self.notes.characters,
            asked.mask(self.notes.texts),
        )
        notes = Notes(texts, whose, self.notes.blank)
        return FieldEvaluated(
            field=shape.field,
            column=column,
            kind=shape.kind,
            unlabelled=int((~compared.labelled).sum()),
            settled_as=None if compared.settled_as is None else str(compared.settled_as),
            parts=list(evaluated_parts(compared, notes, list(parts), evaluation.seed)),
        )

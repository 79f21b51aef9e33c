"""Two experiments on the same notes: where they agree, who says what, and what it took.

Every figure is of notes; those of one text have one answer, so texts are resampled for the
intervals. Read from result shards, which the loads proved the tables to hold, some rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow.parquet as pq

import notemill
from notemill.clock import now
from notemill.comparison.asked import differences, remarks
from notemill.comparison.correct import Judged, judged
from notemill.comparison.cost import side_of
from notemill.comparison.counted import Counted
from notemill.comparison.fields import ComparedField, compared_field
from notemill.comparison.flips import flips_file
from notemill.comparison.pairs import Texts, paired_texts
from notemill.comparison.planned import PlannedComparison
from notemill.comparison.record import ComparisonRecord, FieldComparison, FieldKind, NotCompared
from notemill.comparison.sides import Answered, AnswerField, answered
from notemill.config import Config
from notemill.errors import NotemillError
from notemill.logs import log
from notemill.notes.manifest import read_manifest
from notemill.paths import Layout, cut_name
from notemill.statistics.figure import DRAWS, Figure
from notemill.tasks.run import Run

SEED = 1
"""Of the draws that intervals are taken from."""

Fields = dict[str, tuple[AnswerField, AnswerField]]


def compare(config: Config, planned: PlannedComparison, runs: dict[str, Run]) -> ComparisonRecord:
    """Compare the two and write the notes that flip; the record is the caller's to write.

    runs: of the configuration, by their experiment's id. Raises NotemillError where the two have
    no field in common, or do not answer the same notes.
    """
    layout, cut = Layout(config.results), cut_name(config.cohorts[planned.cohort].shards)
    manifest = read_manifest(layout.manifest(planned.cohort, cut), of=planned.cohort)
    first, second = (
        answered(layout, manifest, cut, each, runs.get(each)) for each in planned.experiments
    )
    fields, left_out = _fields(first, second, planned)
    tolerance = planned.settings.tolerance
    compared = [
        compared_field(name, both, tolerance.get(name, 0.0)) for name, both in fields.items()
    ]
    columns = {
        name: (one.column.column, other.column.column) for name, (one, other) in fields.items()
    }
    judgement = None
    if planned.settings.evaluation:
        judgement = judged(config, planned, (first, second), runs, list(fields), SEED)
    ids = [column.name for column in manifest.id_columns]
    counts = _Counts()
    path = layout.flips(planned.name)
    with flips_file(path, manifest.id_columns) as flips:
        labels = {each.name: each.labels for each in compared}
        for texts in counts.of(paired_texts(first, second, ids, columns)):
            flips.add(texts, {each.name: each.add(texts) for each in compared}, labels)
    told = differences(first, second)
    log.info("%d notes (%d texts) compared, %d flip", counts.notes, counts.texts, flips.notes)
    return ComparisonRecord(
        name=planned.name,
        cohort=planned.cohort,
        cut=cut,
        notes=counts.notes,
        texts=counts.texts,
        first=side_of(layout, planned.cohort, first, counts.coverage(0)),
        second=side_of(layout, planned.cohort, second, counts.coverage(1)),
        differences=told,
        both_answered=counts.both,
        only_first_answered=counts.only_first,
        only_second_answered=counts.only_second,
        neither_answered=counts.notes - counts.both - counts.only_first - counts.only_second,
        fields=[_told(each, judgement) for each in compared],
        not_compared=left_out,
        gold=judgement.gold if judgement else None,
        flips=path.name,
        flipped=flips.notes,
        remarks=remarks(first, second, told, counts.texts, manifest.counts.texts - counts.texts),
        seed=SEED,
        draws=DRAWS,
        notemill=notemill.__version__,
        made_at=now(),
    )


def _told(field: ComparedField, judgement: Judged | None) -> FieldComparison:
    correctness = judgement.by_field.get(field.name, []) if judgement else []
    return field.compared(SEED).model_copy(update={"correctness": correctness})


@dataclass
class _Counts:
    """Notes with a text, by who answered them."""

    notes: int = 0
    texts: int = 0
    both: int = 0
    only_first: int = 0
    only_second: int = 0
    _answered: tuple[Counted, Counted] = field(default_factory=lambda: (Counted(), Counted()))

    def of(self, some: Iterator[Texts]) -> Iterator[Texts]:
        """The texts, counted on their way."""
        for texts in some:
            first, second = texts.answered
            self.notes += int(texts.sizes.sum())
            self.texts += len(texts.sizes)
            self.both += int(texts.sizes[first & second].sum())
            self.only_first += int(texts.sizes[first & ~second].sum())
            self.only_second += int(texts.sizes[~first & second].sum())
            for counted, there in zip(self._answered, texts.answered, strict=True):
                counted.add(there.astype(int), texts.sizes)
            yield texts

    def coverage(self, side: int) -> Figure:
        """Notes that the first (0) or the second (1) has an answer to; a text's fail together."""
        return self._answered[side].share(1, [0, 1], SEED, why="no note has a text")


def _fields(
    first: Answered, second: Answered, planned: PlannedComparison
) -> tuple[Fields, list[NotCompared]]:
    """Fields that both have with the same kind, and the others with the reason."""
    one, other = first.fields, second.fields
    if one is None:
        one = _as_the_other(first, other)
    if other is None:
        other = _as_the_other(second, one)
    wanted = planned.settings.fields or [*dict.fromkeys([*one, *other])]
    fields: Fields = {}
    left_out = []
    for name in wanted:
        if why := _why_not(name, one, other, (first.experiment, second.experiment)):
            left_out.append(NotCompared(field=name, why=why))
        else:
            fields[name] = one[name], other[name]
    if left_out and (planned.settings.fields or not fields):
        raise NotemillError(
            "these fields can't be compared: "
            + "; ".join(f"{each.field}: {each.why}" for each in left_out),
            where=f"comparisons.{planned.name}",
            remedy="name fields that both answers have with the same kind (`fields`), or leave "
            "`fields` out, or compare other experiments",
        )
    if unknown := planned.settings.tolerance.keys() - fields.keys():
        raise NotemillError(
            f"`tolerance` names {', '.join(sorted(unknown))}, which is not compared",
            where=f"comparisons.{planned.name}.tolerance",
            remedy=f"the fields are {', '.join(fields)}",
        )
    return fields, left_out


def _why_not(
    name: str,
    one: dict[str, AnswerField],
    other: dict[str, AnswerField],
    ids: tuple[str, str],
) -> str:
    """Why a field is left out, empty if it is not."""
    for fields, experiment in zip((one, other), ids, strict=True):
        if name not in fields:
            return f"the answer of {experiment} does not have it"
    kinds: tuple[FieldKind, FieldKind] = one[name].kind, other[name].kind
    if kinds[0] != kinds[1]:
        return f"{kinds[0]} in one and {kinds[1]} in the other"
    if kinds[0] == "text" and one[name].column.kind != other[name].column.kind:
        return f"{one[name].column.kind} in one and {other[name].column.kind} in the other"
    return ""


def _as_the_other(side: Answered, other: dict[str, AnswerField] | None) -> dict[str, AnswerField]:
    """Fields of an experiment of which nothing is known, where its columns are as the other's.

    What its choices were nobody knows: an answer that is none of the other's counts as ANOTHER.
    """
    if other is None:
        raise NotemillError(
            f"of {side.experiment} it is not known what was asked, nor of the other one",
            where=str(side.shards[0].parent),
            remedy="compare it with an experiment of the configuration, whose schema is known",
        )
    there = pq.read_schema(side.shards[0])
    return {
        name: field
        for name, field in other.items()
        if field.column.column in there.names
        and there.field(field.column.column).type == field.column.arrow.type
    }

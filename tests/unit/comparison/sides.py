"""Two experiments over one small cohort, answered as a test chooses, and their comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notemill.answers.experiment_record import ExperimentRecord, asked_of
from notemill.comparison.compare import compare
from notemill.comparison.planned import PlannedComparison
from notemill.comparison.record import ComparisonRecord, FieldComparison, read_comparison
from notemill.config import Comparison
from notemill.paths import Layout
from tests.unit.conftest import Clinic
from tests.unit.evaluation.labelled import Labelled
from tests.unit.loads import ID

OTHER = "cough-ba9876543210"
YES, NO, NULL = {"response": "yes"}, {"response": "no"}, {"response": None}
Answers = Mapping[str, dict[str, Any] | str]


class Sides(Labelled):
    """first, second: what differs from labelled.ANSWER by text, or a status that is a failure."""

    def __init__(
        self,
        clinic: Clinic,
        notes: Mapping[Any, str | None],
        first: Answers,
        second: Answers,
        *,
        shards: int = 2,
    ) -> None:
        super().__init__(clinic, notes, first, shards=shards)
        self.answered(second, experiment=OTHER)
        self.gold_settings: dict[str, Any] = {}

    @property
    def layout(self) -> Layout:
        return self.clinic.layout

    def compare(
        self, *, known: tuple[str, ...] = (ID, OTHER), gold: bool = False, **settings: Any
    ) -> ComparisonRecord:
        """Compare, and read the record back. known: experiments of the configuration."""
        values = {"experiments": [ID, OTHER]} | settings
        if gold:
            values["evaluation"] = "gold"
        planned = PlannedComparison("c", Comparison(**values), "chest", (ID, OTHER))
        runs = {each: self.loads.work(experiment=each).run for each in known}
        path = self.layout.comparison("c")
        compare(self.config(**self.gold_settings), planned, runs).write(path)
        return read_comparison(path)


def field(record: ComparisonRecord, name: str) -> FieldComparison:
    """What is told of a field."""
    (found,) = [each for each in record.fields if each.field == name]
    return found


def earlier(sides: Sides, **changes: Any) -> None:
    """OTHER as an experiment of another day, of which its record alone tells."""
    asked = asked_of(sides.loads.work(experiment=OTHER).run)
    values = {"experiment": OTHER, "model": "m:1", "digest": "m" * 64, "weights_sha256": "w"}
    ExperimentRecord(**values, recorded_at="then", asked=asked.model_copy(update=changes)).write(
        sides.layout.experiment(OTHER)
    )

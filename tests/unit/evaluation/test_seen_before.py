"""Whether labels stayed unseen while the prompt changed: by evaluations before, and by pilots."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Any

import pytest

from notemill.errors import NotemillError
from notemill.evaluation import evaluate as stage
from notemill.evaluation.record import EvaluationRecord
from tests.unit.conftest import Clinic
from tests.unit.evaluation.labelled import Labelled, headline, of, part
from tests.unit.loads import ID
from tests.unit.pilot.records import asked_text
from tests.unit.pilot.records import record as pilot_record

SECOND, THIRD = "cough-222222222222", "cough-333333333333"
ANOTHER = "other-444444444444"
GOLD = "visit,set,response\n1,test,yes\n2,test,no\n3,development,yes\n"


@pytest.fixture(autouse=True)
def _a_day_passes_between_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    days = count(1)
    monkeypatch.setattr(stage, "now", lambda: f"2026-11-{next(days):02}T00:00:00+00:00")


@pytest.fixture
def labelled(clinic: Clinic) -> Labelled:
    labelled = Labelled(clinic, {1: "one", 2: "two", 3: "three"})
    for experiment in (SECOND, THIRD, ANOTHER):
        labelled.answered({}, experiment=experiment)
    labelled.gold(GOLD)
    return labelled


def earlier(record: EvaluationRecord, experiment: str) -> list[str]:
    return [use.experiment for use in of(record, experiment).earlier]


def test_a_prompt_that_comes_after_figures_were_seen_says_which(labelled: Labelled) -> None:
    assert earlier(labelled.evaluate(split="set"), ID) == []
    assert earlier(labelled.evaluate(experiments=[SECOND], split="set"), SECOND) == [ID]
    third = of(labelled.evaluate(experiments=[THIRD], split="set"), THIRD)
    assert [(use.experiment, use.at[:10]) for use in third.earlier] == [
        (ID, "2026-11-01"),
        (SECOND, "2026-11-02"),
    ]
    again = of(labelled.evaluate(experiments=[SECOND], split="set"), SECOND)
    assert (again.first_evaluated_at[:10], [use.experiment for use in again.earlier]) == (
        "2026-11-02",
        [ID],
    )


def test_experiments_whose_figures_are_seen_together_are_not_earlier(labelled: Labelled) -> None:
    record = labelled.evaluate(experiments=[ID, SECOND, ANOTHER], split="set")
    assert [earlier(record, each) for each in (ID, SECOND, ANOTHER)] == [[], [], []]


def test_an_experiment_of_another_name_is_told_apart(labelled: Labelled) -> None:
    labelled.evaluate(experiments=[ANOTHER], split="set")
    found = of(labelled.evaluate(split="set"), ID)
    assert (found.earlier, [use.experiment for use in found.earlier_others]) == ([], [ANOTHER])


def test_a_test_that_is_held_back_stays_unseen(labelled: Labelled) -> None:
    labelled.evaluate(split="set", hold_back_test=True)
    again = labelled.evaluate(experiments=[SECOND], split="set", hold_back_test=True)
    assert earlier(again, SECOND) == [ID]
    assert earlier(labelled.evaluate(experiments=[SECOND], split="set"), SECOND) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"gold": GOLD.replace("2,test,no", "2,test,yes")},  # a label was corrected
        {"gold": GOLD + "4,test,yes\n", "not_in_cohort": "leave_out"},
        {"name": "renamed.csv"},
    ],
)
def test_labels_are_known_again_after_a_change(labelled: Labelled, changed: dict[str, Any]) -> None:
    labelled.evaluate(split="set")
    gold = labelled.gold(changed.pop("gold", GOLD), changed.pop("name", "gold.csv"))
    record = labelled.evaluate(experiments=[SECOND], split="set", file=str(gold), **changed)
    assert earlier(record, SECOND) == [ID]


def test_the_same_file_is_known_under_another_evaluations_name(labelled: Labelled) -> None:
    labelled.evaluate(split="set")
    folder = labelled.clinic.layout.evaluation("gold").parent
    seen = folder / ".gold.seen.json"
    seen.write_text(seen.read_text().replace('"evaluation": "gold"', '"evaluation": "was"'))
    seen.rename(folder / ".was.seen.json")
    assert earlier(labelled.evaluate(experiments=[SECOND], split="set"), SECOND) == [ID]


def test_what_was_seen_is_private_and_a_damaged_file_is_named(labelled: Labelled) -> None:
    labelled.evaluate(split="set")
    seen = labelled.clinic.layout.evaluation_history("gold")
    assert seen.stat().st_mode & 0o777 == 0o600
    seen.write_text("{}")
    with pytest.raises(NotemillError, match="which labels were seen when") as refused:
        labelled.evaluate(split="set")
    assert refused.value.where == str(seen)


def pilot(labelled: Labelled, experiment: str, *texts: str) -> None:
    """A pilot of the experiment that asked these texts."""
    asked = [asked_text(0, text_sha256=hashlib.sha256(text.encode()).hexdigest()) for text in texts]
    path = labelled.clinic.layout.pilot("chest", experiment)
    pilot_record(experiment=experiment, asked=asked).write(path)


def test_figures_without_the_notes_of_pilots_stand_beside_the_others(labelled: Labelled) -> None:
    pilot(labelled, ID, "two", "three", "not in the gold")
    found = of(labelled.evaluate(split="set"), ID)
    assert (found.pilot.pilots, found.pilot.notes) == (1, 1)
    without = part(found.fields[0], "without_pilot")
    assert headline(found.fields[0]).notes == 2
    assert without.notes == 1
    assert without.choices and without.choices.table[0] == [1, 0, 0, 0]


def test_a_pilot_of_an_earlier_prompt_counts_and_of_another_experiment_does_not(
    labelled: Labelled,
) -> None:
    pilot(labelled, SECOND, "one")
    pilot(labelled, "cough-short-555555555555", "two")
    pilot(labelled, ANOTHER, "two")
    (labelled.clinic.layout.pilot("chest", ID).parent / f".{ID}.l40s.json").write_text("{}")
    found = of(labelled.evaluate(split="set"), ID)
    assert (found.pilot.pilots, found.pilot.notes) == (1, 1)


def test_where_pilots_asked_every_note_nothing_is_left_without_them(labelled: Labelled) -> None:
    pilot(labelled, ID, "one", "two")
    found = of(labelled.evaluate(split="set"), ID)
    assert found.pilot.notes == 2
    assert "without_pilot" not in {each.part for each in found.fields[0].parts}

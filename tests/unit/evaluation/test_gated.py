"""Gold labels of notes that the task's gate settled."""

from __future__ import annotations

import pytest

from notemill.tasks.task import read_task
from tests.unit.conftest import Clinic
from tests.unit.evaluation.labelled import Labelled, csv_of, headline

NOTES = {n: ("eyes " if n < 4 else "") + f"note {n}" for n in range(10)}
LABELS = ["no", "no", "no", "yes", "yes", "yes", "yes", "no", "no", "no"]
"""Of the four that are settled, one is a miss; the model says yes to six, three of them rightly."""


def labelled(clinic: Clinic, settled_as: str) -> Labelled:
    made = Labelled(clinic, NOTES)
    gate = f"gate: {{settle_if: {{eyes: eyes}}{settled_as}}}"
    (made.task.folder / "task.yaml").write_text(gate)
    made.task = read_task(made.task.folder.parent, made.task.name)
    made.answered({})
    made.gold(csv_of("visit,response", list(enumerate(LABELS))))
    return made


@pytest.mark.parametrize(
    ("settled_as", "right", "sensitivity", "specificity"),
    [("", 3 / 10, 3 / 4, 0.0), (", settled_as: {response: 'no'}", 6 / 10, 3 / 4, 3 / 6)],
)
def test_settled_notes_are_in_no_figure_of_answers_and_in_those_of_all_notes_as_the_task_says(
    clinic: Clinic, settled_as: str, right: float, sensitivity: float, specificity: float
) -> None:
    field = labelled(clinic, settled_as).field()
    part = headline(field)
    assert (part.notes, part.settled, part.blank) == (10, 4, 0)
    assert field.settled_as == ("no" if settled_as else None)
    choices = part.choices
    assert choices
    assert choices.coverage.value == pytest.approx(6 / 10)  # a settled note has no answer
    assert choices.answered.accuracy.value == pytest.approx(3 / 6)
    assert choices.all.accuracy.value == pytest.approx(right)
    yes = next(each for each in choices.all.classes if each.label == "yes")
    assert yes.sensitivity.value == pytest.approx(sensitivity)
    assert yes.specificity.value == pytest.approx(specificity)

"""An audit of a run whose task has a gate: its misses are in the cohort's figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.audit.auditing import Auditing

TEXTS = [f"Note {number}: sputum{' of eyes' if number % 4 == 0 else ''}." for number in range(120)]
"""A quarter are settled; of those one in ten is a yes that no model has seen."""


def says(text: str) -> str:
    return "yes" if int(text.split()[1].rstrip(":")) % 4 == 1 else "no"


def true(text: str) -> str:
    number = int(text.split()[1].rstrip(":"))
    return "yes" if number % 4 == 1 or number % 40 == 0 else "no"


def audited(folder: Path, settled_as: str) -> Auditing:
    """Everything read, so that figures are what they are."""
    clinic = folder / "clinic"
    task = clinic / "tasks" / "cough"
    task.mkdir(parents=True)
    (task / "task.yaml").write_text(f"gate: {{settle_if: {{eyes: eyes}}{settled_as}}}")
    auditing = Auditing(clinic, TEXTS, says)
    auditing.clinic.fill(*enumerate(TEXTS))
    auditing.clinic.extract()
    auditing.answer()
    auditing.draw("--precision", "0.0001", "--seed", "4", readers="ana")
    auditing.fill("ana", true)
    auditing.read()
    return auditing


@pytest.mark.parametrize(
    ("settled_as", "accuracy"), [("", 90 / 120), (", settled_as: {response: 'no'}", 117 / 120)]
)
def test_settled_texts_are_a_stratum_whose_misses_count_among_all_notes(
    tmp_path: Path, settled_as: str, accuracy: float
) -> None:
    auditing = audited(tmp_path, settled_as)
    strata = {each.name: each for each in auditing.design().strata}
    settled = strata["not relevant"]
    assert settled.settled
    assert (settled.notes, settled.drawn) == (30, 30)
    assert strata["no"].notes == 60
    estimate = auditing.estimate()
    yes = next(each for each in estimate.all.classes if each.label == "yes")
    assert yes.prevalence.value == pytest.approx(33 / 120)
    assert yes.sensitivity.value == pytest.approx(30 / 33)
    of_answers = next(each for each in estimate.answered.classes if each.label == "yes")
    assert of_answers.sensitivity.value == 1
    assert estimate.answered.accuracy.value == 1
    assert estimate.all.accuracy.value == pytest.approx(accuracy)
    (remark,) = [each for each in estimate.remarks if "gate" in each]
    assert "30 notes" in remark
    assert ("taken for no" in remark) == bool(settled_as)

"""What `notemill check` says of a task's gate."""

from __future__ import annotations

import pytest

from tests.unit.check.conftest import Checked, one


@pytest.mark.parametrize(
    ("gate", "level", "said"),
    [
        ("ask_if: {a: cough}", "ok", "settles 1 of the first 3 texts of chest (33.3%)"),
        ("ask_if: {a: zebra}", "warning", "settles all of the first 3 texts of chest"),
        ("settle_if: {a: zebra}", "warning", "does nothing with any of the first 3 texts"),
        ("ask_if: {a: cough|ache}", "ok", "settles 0 of the first 3 texts"),
    ],
)
def test_what_a_gate_does_with_the_first_texts_is_said(
    checked: Checked, gate: str, level: str, said: str
) -> None:
    checked.clinic.fill((1, "a cough"), (2, "no cough"), (3, "headache"), (4, "a cough"), (5, " "))
    (checked.folder / "tasks" / "cough" / "task.yaml").write_text(f"gate: {{{gate}}}")
    assert not [each for each in checked.found() if "the gate" in each["what"]]  # nothing is known
    checked.clinic.extract()
    found = one(checked.found(), "experiment cough: the gate")
    assert found["level"] == level
    assert said in found["what"]


def test_a_pattern_that_does_not_compile_is_refused(checked: Checked) -> None:
    (checked.folder / "tasks" / "cough" / "task.yaml").write_text("gate: {ask_if: {a: '('}}")
    found = checked.found()
    assert checked.status == 1
    (refused,) = [each for each in found if each["level"] == "refusal"]
    assert "does not compile" in refused["what"]

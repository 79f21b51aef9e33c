"""What `notemill check` says of an answer's tokens."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.journal import Accepted, JournalKey, Spent, write_journal
from notemill.check.answer_cost import answer_cost
from notemill.paths import Layout, journal
from notemill.plan.runs import plan_runs
from tests.unit.answers.journals import OUTCOME
from tests.unit.check.conftest import Checked, one
from tests.unit.conftest import write_task

LONG = """
from typing import Literal
from pydantic import BaseModel

class Answer(BaseModel):
    is_there_evidence_of_pneumonia_in_this_report: Literal["yes", "no"]
    is_there_evidence_of_pleural_effusion_in_this_report: Literal["yes", "no"]
"""
SHORT = LONG.replace("is_there_evidence_of_", "").replace("_in_this_report", "")
LABEL = """
from typing import Literal
from pydantic import BaseModel

class Answer(BaseModel):
    response: Literal["yes", "no"]
"""
NESTED = """
from __future__ import annotations
from enum import Enum
from pydantic import BaseModel, Field

class Side(str, Enum):
    LEFT = "left"
    RIGHT = "right"

class Finding(BaseModel):
    words: str | None
    side: Side
    size: float | None
    within: Finding | None

class Answer(BaseModel):
    findings: list[Finding] = Field(max_length=3)
    sure: bool
    count: int
"""


def said(checked: Checked) -> str:
    details = one(checked.found(), "experiment cough-")["details"]
    return next(str(line) for line in details if line.startswith("an answer:"))


def warnings(checked: Checked) -> list[dict[str, Any]]:
    return [
        each
        for each in checked.found()
        if each["level"] == "warning" and "names and JSON" in each["what"]
    ]


def schema(checked: Checked, source: str) -> None:
    write_task(checked.folder / "tasks", source)


def test_names_that_are_longer_than_the_answer_are_warned_of_with_what_shorter_ones_save(
    checked: Checked,
) -> None:
    schema(checked, LONG)
    (warning,) = warnings(checked)
    assert "is_there_evidence_of_pneumonia_in_this_report" in warning["what"]
    assert "schema.py" in warning["where"]
    saved = int(re.findall(r"save about (\d+) tokens", warning["remedy"])[0])
    assert saved > 10
    schema(checked, SHORT)
    assert warnings(checked) == []


@pytest.mark.parametrize("source", [LABEL, NESTED])
def test_names_that_can_hardly_be_shorter_are_not_warned_of(checked: Checked, source: str) -> None:
    schema(checked, source)
    assert "(estimated from the schema)" in said(checked)
    assert warnings(checked) == []


def test_a_quote_is_told_beside_the_numbers_that_would_take_its_place(checked: Checked) -> None:
    file = checked.folder / "tasks" / "cough" / "task.yaml"
    file.write_text("evidence: reason")
    details = one(checked.found(), "experiment cough-")["details"]
    assert any("its quote takes about" in line for line in details)
    file.unlink()
    assert not any("quote" in line for line in one(checked.found(), "experiment cough-")["details"])


def answered(checked: Checked, *answers: tuple[dict[str, Any], int], experiment: str = "") -> Path:
    """A journal with these answers and the tokens that the engine counted."""
    (run,) = plan_runs(checked.config)
    layout = Layout(checked.config.results)
    path = journal(layout.answers("chest", run.experiment_id, "cut-0003", "0001"))
    key = JournalKey(experiment or run.experiment_id, "d")
    lines = [
        Accepted(key, f"{n:064x}", replace(OUTCOME, answer=answer, answer_tokens=tokens))
        for n, (answer, tokens) in enumerate(answers)
    ]
    write_journal(path, lines, {key: Spent()})
    return path


def test_what_an_engine_has_counted_takes_the_place_of_the_estimate(checked: Checked) -> None:
    quoting = ({"response": "yes", "reason": "a cough since Tuesday, worse at night"}, 44)
    brief = ({"response": "no", "reason": ""}, 20)
    answered(checked, quoting, brief)
    assert "about 32 tokens (measured over 2)" in said(checked)
    (run,) = plan_runs(checked.config)
    cost = answer_cost(run, Layout(checked.config.results))
    assert (cost.tokens, cost.measured) == (32, 2)
    assert 0 < cost.skeleton < cost.tokens


def test_answers_of_another_experiment_and_lines_that_are_none_count_for_nothing(
    checked: Checked,
) -> None:
    path = answered(checked, ({"response": "yes"}, 99), experiment="other-1")
    path.write_bytes(path.read_bytes() + b'{"text": 3}\nx')
    assert "(estimated from the schema)" in said(checked)


def test_nothing_of_an_answer_is_told(checked: Checked) -> None:
    answered(checked, ({"response": "yes", "reason": "Sputum with blood"}, 30))
    assert "Sputum" not in json.dumps(checked.found())
    assert "Sputum" not in checked.text()

"""A session whose task has a gate: what it settles is a row, and no request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from notemill import Session
from tests.unit.session.conftest import servers

GATE = "gate: {ask_if: {cough: cough}, sections: {keep: [PLAN]}}"


def test_settled_notes_are_rows_without_an_answer_and_start_no_engine(
    site: Path, new_session: Callable[..., Session]
) -> None:
    (site / "config" / "tasks" / "cough" / "task.yaml").write_text(GATE)
    session = new_session()
    before = len(servers())
    settled = session.ask(pd.DataFrame({"note_text": ["Ankle.", None, "Ankle."]}))
    assert len(servers()) == before
    assert settled["status"].tolist() == ["not_relevant", "blank", "not_relevant"]
    note = "HISTORY: Cough.\nPLAN: Rest."
    asked = session.ask(pd.DataFrame({"note_text": ["No cough.", note, "Ankle."]}))
    assert asked["status"].tolist()[2] == "not_relevant"
    assert asked["gate_rule"].tolist() == ["cough", "cough", "ask_if"]
    assert asked["gate_sent"].tolist() == [1.0, round(len("PLAN: Rest.") / len(note), 4), 0.0]
    both = pd.concat([settled, asked])
    assert both["llm_response"].notna().tolist()[:3] == [False, False, False]
    assert (both["status"] == "answered").sum() >= 1
    assert [str(asked.dtypes[name]) for name in ("gate_rule", "gate_sent")] == ["string", "Float64"]
    assert [str(settled.dtypes[name]) for name in asked.columns] == list(map(str, asked.dtypes))

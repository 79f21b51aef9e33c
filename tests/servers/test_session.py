"""notemill.Session against the stand-in of Ollama: it asks what a job asks, and gets its rows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from notemill import Session
from notemill.answers.outcome import OUTCOME_COLUMNS
from tests.servers.shard_site import SICK, WELL, ShardSite

FAULTS = [
    {"fault": "done_false", "match": "Note 1.", "times": 1},
    {"fault": "cut", "match": "Note 2."},
    {"fault": "schema_violation", "value": {"response": "(4) Perhaps"}, "match": "Note 3."},
    {"fault": "exceed_context", "match": "Note 4."},
]
DIFFER = {"seconds", "answered_at"}


def test_a_sessions_rows_and_requests_are_those_of_a_job(tmp_path: Path) -> None:
    notes: list[Any] = [f"Note {n}. {SICK if n % 2 else WELL} [img-0]" for n in range(12)]
    notes += [notes[0], None, " \N{ZERO WIDTH SPACE}", notes[1], notes[2]]
    site = ShardSite(tmp_path, notes, faults=FAULTS)
    rows = site.answer()
    of_job = requests(site)
    (tmp_path / "asked.jsonl").unlink()

    frame = pd.DataFrame({"id": range(1, len(notes) + 1), "note_text": notes})
    answers = ask(site, frame)
    assert requests(site) == of_job
    columns = [column.name for column in OUTCOME_COLUMNS if column.name not in DIFFER]
    columns += ["id", "llm_response", "llm_explanation"]
    found = answers[columns].astype(object).where(answers[columns].notna(), None)
    assert found.to_dict("records") == [{name: row[name] for name in columns} for row in rows]
    assert set(answers["status"]) == {"answered", "blank", "truncated", "schema", "too_long"}
    assert (answers["control_tokens"] > 0).any()


def test_what_is_changed_for_a_session_is_what_the_engine_gets(tmp_path: Path) -> None:
    site = ShardSite(tmp_path, [SICK])
    frame = pd.DataFrame({"note_text": [SICK]})
    prompts: list[dict[str, Any]] = [
        {},
        {"system_prompt": "Read."},
        {"user_prompt": "Read: {note}"},
        {"options": {"temperature": 0.7, "top_k": 7}},
    ]
    sent = []
    for prompt in prompts:
        assert list(ask(site, frame, **prompt)["status"]) == ["answered"]
        (note,) = [each for each in requests(site) if each["options"]["num_predict"] == 128]
        sent.append((note["messages"], note["options"]["temperature"], note["options"]["top_k"]))
        (tmp_path / "asked.jsonl").unlink()
    as_is, system, user, options = sent
    assert len({as_is[0], system[0], user[0]}) == 3
    assert as_is[1:] == system[1:] == user[1:] == (0, 40)
    assert options == (as_is[0], 0.7, 7)


def test_a_missing_model_is_pulled_where_it_may_be(tmp_path: Path) -> None:
    site = ShardSite(tmp_path, [SICK], engine={"pull": True})
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "store").mkdir()
    answers = ask(site, pd.DataFrame({"note_text": [SICK]}))
    assert list(answers["status"]) == ["answered"]


def ask(site: ShardSite, frame: pd.DataFrame, **changes: Any) -> pd.DataFrame:
    """The frame asked in a session with the site's configuration."""
    # Not what a configuration's experiment is told of others when it is read.
    own = {"experiments": {"__all__": {"together"}}}
    values = site.config.model_dump(mode="json", exclude_none=True, exclude=own)
    path = site.folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    with Session(path, experiment="pneumonia", **changes) as session:
        return session.ask(frame)


def requests(site: ShardSite) -> list[dict[str, Any]]:
    """What the engine was sent, in an order of its own: slots are side by side.

    Not what measures the prompts, a token each: a process does it once.
    """
    asked = [each for each in site.asked() if each["options"]["num_predict"] != 1]
    sent = [{k: v for k, v in each.items() if k != "running"} for each in asked]
    return sorted(sent, key=repr)

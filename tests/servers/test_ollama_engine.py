"""A shard's job against an Ollama that misbehaves: the stand-in, held to the facts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from notemill.answers import asking
from notemill.answers.job import answer_shards
from notemill.errors import NotemillError
from tests.servers.shard_site import LIKELY, SICK, UNLIKELY, WELL, ShardSite, one


def test_each_note_gets_its_own_answer_and_is_asked_once(tmp_path: Path) -> None:
    notes = [f"Note {n}. {SICK if n % 3 else WELL}" for n in range(40)]
    site = ShardSite(tmp_path, [*notes, notes[0]])
    rows = site.answer()
    for row, note in zip(rows, [*notes, notes[0]], strict=True):
        assert row["status"] == "answered"
        assert row["llm_response"] == (LIKELY if "pneumonia" in note else UNLIKELY)
        assert row["llm_explanation"] == note[:40]
    asked = [request for request in site.asked() if request["options"]["num_predict"] == 128]
    assert len({request["messages"] for request in asked}) == len(asked) == 40
    options = [{k: v for k, v in r["options"].items() if k != "num_predict"} for r in site.asked()]
    assert all(option == options[0] for option in options)


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        ({"fault": "done_false"}, "seed=2 temperature=0.3"),
        ({"fault": "invalid_json"}, "seed=2 temperature=0.3"),
        ({"fault": "cut"}, "num_predict=256"),
        ({"fault": "schema_violation", "value": {"response": "(4) Perhaps"}}, "hint"),
        ({"fault": "error_500", "value": "unexpected EOF"}, "pause"),
        ({"fault": "runner_crash"}, "pause"),
    ],
)
def test_a_passing_fault_is_survived_by_a_changed_attempt(
    tmp_path: Path, fault: dict[str, Any], change: str
) -> None:
    row = one(ShardSite(tmp_path, [SICK], faults=[fault | {"match": SICK, "times": 1}]))
    assert (row["status"], row["llm_response"]) == ("answered", LIKELY)
    assert (row["attempts"], row["changes"]) == (2, change)


@pytest.mark.parametrize(
    ("fault", "status", "attempts"),
    [
        ({"fault": "done_false"}, "invalid_json", 3),
        ({"fault": "invalid_json"}, "invalid_json", 3),
        ({"fault": "cut"}, "truncated", 3),
        ({"fault": "schema_violation", "value": {"response": "(4) Perhaps"}}, "schema", 3),
        ({"fault": "error_500", "value": "unexpected EOF"}, "server_error", 6),
        ({"fault": "exceed_context"}, "too_long", 1),
    ],
)
def test_what_never_validates_is_a_status_and_no_label(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
    status: str,
    attempts: int,
) -> None:
    monkeypatch.setattr(asking, "_PAUSE_AFTER_ERROR_S", 0.1)
    site = ShardSite(tmp_path, [SICK, WELL], faults=[fault | {"match": SICK}])
    sick, well = site.answer()
    assert (sick["status"], sick["attempts"]) == (status, attempts)
    assert sick["llm_response"] is None
    assert sick["llm_explanation"] is None
    assert sick["detail"]
    assert SICK not in sick["detail"]
    assert well["status"] == "answered"


def test_a_hanging_request_ends_by_its_deadline(tmp_path: Path) -> None:
    site = ShardSite(
        tmp_path,
        [SICK, WELL],
        engine={"answer_timeout_s": 2},
        faults=[{"fault": "hang", "match": SICK, "times": 1}],
    )
    sick, well = site.answer()
    assert (sick["status"], sick["attempts"]) == ("answered", 2)
    assert well["status"] == "answered"


def test_a_loading_server_is_waited_for(tmp_path: Path) -> None:
    row = one(ShardSite(tmp_path, [SICK], faults=[{"fault": "cold_503", "times": 3}]))
    assert (row["status"], row["attempts"]) == ("answered", 1)


def test_a_dead_server_is_started_again(tmp_path: Path) -> None:
    notes = [f"{n}: {SICK}" for n in range(12)]
    site = ShardSite(tmp_path, notes)
    # The faults are read anew at each start, so the death must not be in them any more.
    job_faults = [{"fault": "crash", "match": "5: Findings"}]
    site.faults = job_faults
    rows = site.answer()
    by_text = dict(zip(notes, rows, strict=True))
    assert by_text[f"5: {SICK}"]["status"] == "server_error"
    others = [row for note, row in by_text.items() if not note.startswith("5:")]
    assert {row["status"] for row in others} == {"answered"}


def test_an_outage_of_seven_seconds_ends_no_text(tmp_path: Path) -> None:
    notes = [f"{n}: {SICK}" for n in range(400)]
    fault = {"fault": "bad_gateway", "match": "", "seconds": 7}
    site = ShardSite(tmp_path, notes, experiment={"max_failed_share": 0})
    # It begins with the 100th note: every request meets it, control questions too.
    site.faults = [fault | {"after": "100: Findings"}]
    assert {row["status"] for row in site.answer()} == {"answered"}
    assert any("bad_gateway" in request["faults"] for request in site.asked())


@pytest.mark.parametrize(
    ("notes", "match"), [(1, ""), (1, "Read the"), (2, "report"), (30, ""), (30, "report")]
)
def test_an_engine_that_dies_on_any_request_until_its_fourth_start_ends_no_text(
    tmp_path: Path, notes: int, match: str
) -> None:
    """On the probes too, on control questions and notes, or on notes alone."""
    fault = {"fault": "crash", "match": match, "starts": 3}
    site = ShardSite(tmp_path, [f"{n}: {SICK} End of report." for n in range(notes)])
    site.faults = [fault]
    assert {row["status"] for row in site.answer()} == {"answered"}


def test_a_note_that_alone_gets_server_errors_is_asked_again_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_PAUSE_AFTER_ERROR_S", 0.1)
    notes = [f"{n}: {SICK}" for n in range(12)]
    site = ShardSite(tmp_path, notes, faults=[{"fault": "error_500", "match": "5: Findings"}])
    rows = site.answer()
    assert [row["id"] for row in rows if row["status"] == "server_error"] == [6]
    assert {row["status"] for row in rows} == {"answered", "server_error"}
    met = [bool(request["faults"]) for request in site.asked()]
    assert sum(met) == 3 + 6  # beside others, then alone
    assert met[-2]  # and then the control question


def test_one_failed_text_is_allowed_unless_none_is(tmp_path: Path) -> None:
    notes = [f"{n}: {SICK}" for n in range(6)]
    fault = {"fault": "exceed_context", "match": "5: Findings"}
    site = ShardSite(tmp_path, notes, faults=[fault], experiment={"max_failed_share": 0.1})
    assert [row["status"] for row in site.answer()] == ["answered"] * 5 + ["too_long"]
    site.experiment = {"max_failed_share": 0}
    site.job().output.unlink()
    with pytest.raises(NotemillError, match="1 of 6 texts have no valid answer"):
        site.answer()


def test_an_answer_in_the_journal_that_the_schema_refuses_is_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = ShardSite(tmp_path, [f"{n}: {SICK}" for n in range(6)])
    rows = site.answer()
    job = site.job()
    journal = job.output.with_suffix(".journal.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if rows[2]["text_sha256"] in line)
    lines[place] = lines[place].replace(LIKELY, "(1) Banana")
    journal.write_text("".join(lines))
    job.output.unlink()
    (tmp_path / "asked.jsonl").unlink()
    again = site.answer()
    assert {row["llm_response"] for row in again} == {LIKELY}
    assert len([line for line in site.asked() if line["options"]["num_predict"] == 128]) == 1
    assert "1 of the journal's" in caplog.text
    assert "Banana" not in caplog.text


def test_what_was_spent_is_of_all_runs(tmp_path: Path) -> None:
    notes = [f"{n}: {SICK}" for n in range(20)]
    slow = {"fault": "slow", "value": 0.2, "match": "Findings"}
    site = ShardSite(tmp_path, notes, faults=[slow])
    (first,) = answer_shards([site.job()])
    assert (first.asked, first.jobs) == (20, 1)
    site.job().output.unlink()
    (again,) = answer_shards([site.job()])
    assert (again.asked, again.tokens, again.jobs) == (20, first.tokens, 2)
    assert again.seconds >= first.seconds >= 20 / 4 * 0.2


def test_too_many_failures_end_the_job_and_keep_what_was_answered(tmp_path: Path) -> None:
    notes = [f"{n}: {SICK}" for n in range(10)] + [f"{n}: {WELL}" for n in range(10)]
    site = ShardSite(
        tmp_path,
        notes,
        experiment={"max_failed_share": 0.2, "attempts": 1},
        faults=[{"fault": "invalid_json", "match": "pneumonia in"}],
    )
    with pytest.raises(NotemillError, match="more than max_failed_share allows"):
        site.answer()
    assert not site.job().output.exists()
    kept = site.job().output.with_suffix(".journal.jsonl").read_text().count('"text"')
    site.faults = []
    (tmp_path / "asked.jsonl").unlink()
    assert {row["status"] for row in site.answer()} == {"answered"}
    asked = [request for request in site.asked() if request["options"]["num_predict"] == 128]
    assert len(asked) == 20 - kept


def test_a_version_that_nobody_knows_runs_after_its_proofs_and_is_named_in_the_row(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        row = one(ShardSite(tmp_path, [WELL], faults=[{"fault": "version", "value": "1.2.3"}]))
    assert (row["status"], row["engine"]) == ("answered", "ollama 1.2.3")
    assert "nobody here knows Ollama 1.2.3" in caplog.text


@pytest.mark.parametrize("era", ["middle", "new"])
def test_a_note_beyond_the_context_is_told(tmp_path: Path, era: str) -> None:
    rows = ShardSite(tmp_path, [WELL, "Clear. " * 2000], era=era).answer()
    assert [row["status"] for row in rows] == ["answered", "too_long"]


def test_a_dropped_system_prompt_is_noticed_by_its_tokens(tmp_path: Path) -> None:
    row = one(ShardSite(tmp_path, [WELL], faults=[{"fault": "drop_system", "match": WELL}]))
    assert row["status"] == "server_error"
    assert "prompt was not read whole" in row["detail"]

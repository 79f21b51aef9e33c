"""A shard's job and its pilot where the task has a gate, on an engine that counts."""

from __future__ import annotations

import hashlib

import pyarrow.parquet as pq
import pytest

from notemill.answers import job as answer_job
from notemill.answers.job import answer_shards
from notemill.answers.opening import opened
from notemill.answers.shard_job import ShardJob
from notemill.engines.protocol import Question, Reply
from notemill.errors import NotemillError
from notemill.pilot import job as pilot_job
from notemill.pilot.job import run_pilots
from notemill.pilot.report import NoPilot, report_pilots
from tests.unit.answers import service
from tests.unit.answers.service import COHORT, Machine, at_once, job_of, journaled
from tests.unit.conftest import Clinic, config

GATE = "gate: {ask_if: {odd: '[13579] '}, settle_if: {nine: '^9'}}"


def gated_job(
    gpu: Machine,
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
    gate: str = GATE,
    notes: int = 40,
    **changes: object,
) -> ShardJob:
    """A job on `COHORT`: notes `0 20`, `1 20` … and each text twice."""
    if not clinic.rows("SELECT * FROM notes"):
        clinic.fill(*((number, f"{number // 2} 20") for number in range(2 * notes)))
        clinic.extract(COHORT, shards=1)
    place = clinic.folder / "tasks" / "cough"
    place.mkdir(parents=True, exist_ok=True)
    if gate.startswith("gate:"):
        (place / "task.yaml").write_text(gate)
    elif gate:
        (place / "gate.py").write_text(gate)
    for module in (answer_job, pilot_job):
        monkeypatch.setattr(module, "until_terminated", lambda a: at_once(a, monkeypatch))
    return job_of(gpu, clinic, monkeypatch, slots=2, **changes)


def gpu() -> Machine:
    return Machine(lambda busy: 3000 / (10 + busy))


def rows(job: ShardJob) -> dict[str, set[tuple[str, str | None, float]]]:
    """Status, rule and share by text."""
    table = pq.read_table(job.output).to_pylist()
    found: dict[str, set[tuple[str, str | None, float]]] = {}
    for row in table:
        ended = row["status"], row["gate_rule"], row["gate_sent"]
        found.setdefault(row["text_sha256"], set()).add(ended)
    return found


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_settled_texts_spend_no_request_and_equal_texts_end_alike(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = gpu()
    job = gated_job(machine, clinic, monkeypatch)
    (origin,) = answer_shards([job])
    asked = {f"{n} 20" for n in range(40) if n % 2 and n != 9}
    assert len(machine.asked) == len(asked)
    assert (origin.texts, origin.settled, origin.asked) == (40, 21, 19)
    found = rows(job)
    for number in range(40):
        text = f"{number} 20"
        wanted = ("answered", "odd", 1.0)
        if text not in asked:
            wanted = ("not_relevant", "nine" if number == 9 else "ask_if", 0.0)
        assert found[sha(text)] == {wanted}
    assert journaled(job) == {sha(text) for text in asked}  # and nothing of the others


def test_a_shard_whose_texts_are_all_settled_starts_no_engine(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = gpu()
    job = gated_job(machine, clinic, monkeypatch, "gate: {ask_if: {never: zebra}}")
    (origin,) = answer_shards([job])
    assert not machine.starts
    assert (origin.settled, origin.asked, origin.failed) == (40, 0, 0)
    assert {ended for each in rows(job).values() for ended in each} == {
        ("not_relevant", "ask_if", 0.0)
    }


def test_a_job_that_is_run_again_takes_answers_from_the_journal_and_settles_anew(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = gpu()
    job = gated_job(machine, clinic, monkeypatch)
    answer_shards([job])
    before, asked = rows(job), len(machine.asked)
    job.output.unlink()
    answer_shards([job])
    assert rows(job) == before
    assert len(machine.asked) == asked


def test_what_is_cut_out_is_not_sent_and_the_row_says_how_much_was(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = {1: "SECRET\nHidden.\nPLAN\n12 20", 2: "13 20"}
    clinic.fill(*notes.items())
    clinic.extract(COHORT, shards=1)
    job = gated_job(gpu(), clinic, monkeypatch, "gate: {sections: {keep: [plan]}}")
    users: set[str] = set()
    ask = service._Engine.ask

    async def noted(engine: service._Engine, question: Question, timeout_s: float) -> Reply:
        users.add(question.user)
        return await ask(engine, question, timeout_s)

    monkeypatch.setattr(service._Engine, "ask", noted)
    answer_shards([job])
    assert users == {"Read:\n13 20", "Read:\nPLAN\n12 20"}
    cut = round(len("PLAN\n12 20") / len(notes[1]), 4)
    assert rows(job) == {
        sha(notes[1]): {("answered", "sections", cut)},
        sha(notes[2]): {("answered", None, 1.0)},
    }


def test_a_gate_that_breaks_on_a_note_ends_the_job_before_any_engine(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = gpu()
    gate = "RULES = ('a',)\n\n\ndef gate(note):\n    return 'a' if 'I' in note else {}[note]\n"
    job = gated_job(machine, clinic, monkeypatch, gate)
    with pytest.raises(NotemillError, match="gate of task 'cough' raises KeyError") as told:
        answer_shards([job])
    assert "gate.py:5" in (told.value.where or "")
    assert not machine.starts
    assert not job.output.exists()


def test_a_pilot_tells_what_the_gate_does_and_estimates_what_is_left(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = gpu()
    job = gated_job(machine, clinic, monkeypatch, pilot={"notes": 8, "sweep_minutes": 0})
    (record,) = run_pilots([job])
    assert record.settled == 21
    assert record.shard_texts.texts == 19
    assert record.gate == {
        "ask_if": {"not_relevant": 20, "cut": 0, "whole": 0},
        "nine": {"not_relevant": 1, "cut": 0, "whole": 0},
        "odd": {"not_relevant": 0, "cut": 0, "whole": 19},
    }
    settings = config(
        tasks=str(clinic.folder / "tasks"),
        results=str(clinic.layout.results),
        cohorts={COHORT: config().cohorts["chest"].model_dump() | {"shards": 1}},
    )
    (report,) = report_pilots(settings, [job.run], [COHORT])
    assert not isinstance(report, NoPilot)
    assert getattr(report.estimate, "texts", None) == 19


def test_a_pilot_of_a_gate_that_settles_all_says_so(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = gpu()
    job = gated_job(machine, clinic, monkeypatch, "gate: {ask_if: {never: zebra}}")
    (record,) = run_pilots([job])
    assert (record.settled, record.asked) == (40, [])
    assert not machine.starts
    with opened(job) as work:
        assert not work.wanted

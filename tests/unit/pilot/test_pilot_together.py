"""A pilot of tasks that are asked together: what it asks for each, measures and estimates."""

from __future__ import annotations

import pytest

from notemill.answers import measuring
from notemill.answers.journal import JournalAtRest
from notemill.paths import journal
from notemill.pilot.estimate import SNAKEMAKE_S, Estimate, ShardCount, estimate
from notemill.pilot.job import run_pilots
from notemill.pilot.record import PilotRecord
from tests.unit.answers.ward import Meets, Pair, Server, Ward
from tests.unit.conftest import Clinic
from tests.unit.pilot.records import asked_text, record


@pytest.fixture
def ward(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Ward:
    ward = Ward(clinic, monkeypatch)
    monkeypatch.setattr(measuring, "_SHORTEST_S", 0.0)  # the engines answer at once
    ward.fill(*(100 + 10 * number for number in range(40)))
    return ward


def piloted(
    ward: Ward, *names: str, notes: int = 16, meets: Meets = lambda server, pair: None
) -> dict[str, PilotRecord]:
    """A pilot without a sweep, with two slots."""
    ward.engines(meets)
    jobs = ward.jobs(names=names, pilot={"notes": notes, "sweep_minutes": 0})
    records = run_pilots(jobs, [job.run.experiment_id for job in jobs])
    return dict(zip((job.run.task.name for job in jobs), records, strict=True))


def test_each_task_gets_its_texts_where_the_gate_of_the_first_settles_them(ward: Ward) -> None:
    """That of fever, which leads, settles half of them, the shortest one among these."""
    records = piloted(ward, "fever", "plan")
    assert {name: record.shard_texts.texts for name, record in records.items()} == {
        "fever": 20,
        "plan": 40,
    }
    numbers = ward.numbers()
    for name, told in records.items():
        asked = {numbers[text.text_sha256] for text in told.asked}
        assert len(asked) == len(told.asked) >= 16
        assert sum(text.drawn for text in told.asked) >= 16 - 2
        even = {each for each in asked if int(each) % 2 == 0}
        assert bool(even) == (name == "plan")
    longest = max(records["plan"].asked, key=lambda text: text.characters)
    assert numbers[longest.text_sha256] == "38"  # of odd ones their section alone is sent
    assert any(not text.drawn for text in records["plan"].asked)


def test_what_a_task_did_not_draw_itself_is_no_sample_of_its_texts(ward: Ward) -> None:
    records = piloted(ward, "fever", "plan", notes=8)
    drawn = {
        name: [text.text_sha256 for text in record.asked if text.drawn]
        for name, record in records.items()
    }
    asked = {text.text_sha256 for text in records["plan"].asked}
    assert set(drawn["fever"]) <= asked
    assert set(drawn["fever"]) - set(drawn["plan"])


def test_hours_of_tasks_add_up_to_their_jobs_and_a_start_counts_once() -> None:
    """Of a job that asks one of all texts and one of half of them."""
    asked = [asked_text(n, seconds=10, slots=1) for n in range(20)]
    text_s = 10 / (2 - 1 / 20)
    told = []
    for askings, texts in ((1.5, 1000), (3.0, 500)):
        found = estimate(record(asked=asked, askings=askings), [ShardCount("0000", texts)])
        assert isinstance(found, Estimate)
        start_s = 30 + SNAKEMAKE_S + 10 * askings
        assert found.shard_minutes["0000"] == pytest.approx((1500 * text_s + start_s) / 60)
        assert found.whole_hours.expected == pytest.approx(found.wall_s.expected / 3600 / askings)
        assert "add up over the tasks" in found.remarks[-1]
        told.append(found)
    assert sum(each.whole_hours.expected for each in told) == pytest.approx(
        told[0].wall_s.expected / 3600, rel=0.001
    )


def test_a_record_says_how_much_its_jobs_ask_for_each_of_its_texts(ward: Ward) -> None:
    records = piloted(ward)
    assert {name: record.askings for name, record in records.items()} == {
        "cough": 3.5,
        "fever": 7.0,
        "plan": 3.5,
        "rash": 3.5,
    }


def test_a_task_whose_pilot_stands_is_let_go_and_pays_for_no_other(ward: Ward) -> None:
    piloted(ward)
    cough, *others = ward.jobs()
    for job in others:
        job.layout.pilot("chest", job.run.experiment_id).unlink()
    shard = {"at rest": 0}

    def meets(_: Server, pair: Pair) -> None:
        assert pair[0] != "cough"
        with JournalAtRest(journal(cough.output)) as journaled:  # refused while it is held
            shard["at rest"] += bool(journaled.spent())

    records = piloted(ward, meets=meets)
    assert shard["at rest"]
    assert {name: record.askings for name, record in records.items()}["cough"] == 3.5

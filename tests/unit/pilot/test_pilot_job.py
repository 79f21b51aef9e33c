"""notemill.pilot.job: what a pilot asks, keeps, measures and refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.opening import opened
from notemill.answers.shard_job import ShardJob
from notemill.answers.slots import WITHOUT_A_MEASURE, measured_slots
from notemill.errors import NotemillError
from notemill.pilot import job as pilot_job
from notemill.pilot.estimate import CantTell, ShardCount, estimate
from notemill.pilot.job import run_pilots
from notemill.pilot.record import GPUS_VARIABLE, PilotRecord, read_pilot
from tests.unit.answers.service import COHORT, Machine, at_once, job_of, journaled, shard_on
from tests.unit.conftest import Clinic

Pilot = Callable[[ShardJob], PilotRecord]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Pilot:
    """Runs a pilot on a clock of its own."""

    def until_terminated(asking: Coroutine[Any, Any, None]) -> None:
        at_once(asking, monkeypatch)

    monkeypatch.setattr(pilot_job, "until_terminated", until_terminated)
    return lambda job: run_pilots([job])[0]


def fast() -> Machine:
    return Machine(lambda busy: 3000 / (10 + busy))


def test_what_it_answers_is_kept_and_no_text_is_asked_twice(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    gpu = fast()
    with shard_on(gpu, clinic, monkeypatch, texts=300) as job:
        record = run(job)
        assert len(set(gpu.asked)) == len(gpu.asked) == len(record.asked)
        assert {text.text_sha256 for text in record.asked} == journaled(job)
        assert record == read_pilot(job.layout.pilot(COHORT, job.run.experiment_id))


def test_it_asks_a_random_part_and_the_longest_and_shortest_texts(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    gpu = fast()
    with shard_on(gpu, clinic, monkeypatch, texts=300) as job:
        job = job_of(gpu, clinic, monkeypatch, slots=4, pilot={"notes": 32, "sweep_minutes": 0})
        record = run(job)
    drawn = [text for text in record.asked if text.drawn]
    others = sorted(text.characters for text in record.asked if not text.drawn)
    hashes = sorted(text.text_sha256 for text in drawn)
    assert len(drawn) >= 32
    assert len(others) == 4
    assert [text.text_sha256 for text in record.asked if text.drawn][:8] != hashes[-8:]
    assert set(gpu.starts) == {4}
    lengths = sorted(len(str(note)) for (note,) in clinic.rows("SELECT note FROM notes"))
    assert others[0] == lengths[0]
    assert others[-1] == lengths[-1]


def test_the_whole_shard_is_measured_though_few_of_its_texts_are_asked(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    gpu = fast()
    with shard_on(gpu, clinic, monkeypatch, texts=400) as job:
        job = job_of(
            gpu,
            clinic,
            monkeypatch,
            slots=4,
            pilot={"notes": 32, "sweep_minutes": 0},
            options={"num_ctx": 600, "num_predict": 100},
        )
        record = run(job)
    notes = [note for (note,) in clinic.rows("SELECT note FROM notes")]
    tokens = [int(note.split()[1]) for note in notes]
    assert record.shard_texts.texts == 400
    assert record.shard_texts.characters == sum(map(len, notes))
    # The model's prompts take as many tokens as the text says, whatever its characters: a straight
    # line through them can't know better than roughly.
    assert record.shard_texts.longest_prompt <= 2 * max(tokens)
    assert 0 <= record.shard_texts.beyond_context <= 400
    assert record.journal_bytes > 100


def test_it_ends_with_a_private_page_of_what_it_asked(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    gpu = Machine(lambda busy: 3000 / (10 + busy), fails=0.02)
    with shard_on(gpu, clinic, monkeypatch, texts=300) as job:
        record = run(job)
        path = job.layout.look(COHORT, job.run.experiment_id)
    page = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    shown = re.findall(r'<span class="status">(\w+)</span>', page)
    assert sorted(shown) == sorted(text.status for text in record.asked)
    assert shown[0] != "answered"
    extremes = sum(not text.drawn for text in record.asked)
    assert page.count("(one of the longest or shortest)") == extremes


def test_it_keeps_the_slots_that_jobs_on_such_a_gpu_take(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    monkeypatch.setenv(GPUS_VARIABLE, "16")
    with shard_on(fast(), clinic, monkeypatch, texts=1200) as job:
        record = run(job)
        place = job.layout, COHORT, job.run.experiment_id
        assert record.slots == record.sweep.best == measured_slots(*place, record.gpu, 4096)
        assert record.gpus == 16
        assert measured_slots(*place, "another GPU", 4096) is None


def test_a_pilot_that_was_made_is_not_made_again(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    gpu = fast()
    with shard_on(gpu, clinic, monkeypatch, texts=300) as job:
        made = run(job)
        starts = list(gpu.starts)
        assert run(job) == made
        assert gpu.starts == starts


def test_a_finished_shard_is_asked_nothing_and_another_is_taken(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    """Its failed texts would be answered, and its result would not say so."""
    clinic.fill(*((number, f"{number} 50") for number in range(40)))
    manifest = clinic.extract(COHORT, shards=2)
    gpu = fast()
    job = job_of(gpu, clinic, monkeypatch)
    place = COHORT, job.run.experiment_id, job.cut
    results = [job.layout.answers(*place, entry.name) for entry in manifest.shards]
    results[0].parent.mkdir(parents=True)
    results[0].touch()
    assert run(job).shard == "0001"
    asked = len(gpu.asked)
    assert asked == manifest.shards[1].texts
    job.layout.pilot(COHORT, job.run.experiment_id).unlink()
    results[1].touch()
    assert run(job).asked == []
    assert len(gpu.asked) == asked


def test_texts_of_earlier_jobs_are_told_and_not_asked(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    gpu = Machine(lambda busy: 300 / busy)
    with shard_on(gpu, clinic, monkeypatch, texts=50) as job:
        job = job_of(gpu, clinic, monkeypatch, pilot={"notes": 12})
        made = run(job)
        assert made.slots == made.sweep.best != WITHOUT_A_MEASURE
        job.layout.pilot(COHORT, job.run.experiment_id).unlink()
        starts = list(gpu.starts)
        again = run(job)
    assert gpu.starts == starts, "there was nothing to ask"
    assert again.asked_before == 50
    assert again.slots == made.slots, "what jobs take was measured before"
    first = {text.text_sha256: text for text in made.asked}
    for text in again.asked:
        assert text.slots == 0
        assert text.prompt_tokens == first[text.text_sha256].prompt_tokens


def test_more_failures_than_chance_explains_end_it_after_a_step(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    gpu = Machine(lambda busy: 3000 / (10 + busy), fails=0.5)
    with shard_on(gpu, clinic, monkeypatch, texts=600) as job:
        with pytest.raises(NotemillError) as refused:
            run(job)
        assert "of the pilot's" in refused.value.what
        assert "invalid_json" in refused.value.what
        assert "max_failed_share (0.1)" in refused.value.what
        assert gpu.starts == [1]
        assert not job.layout.pilot(COHORT, job.run.experiment_id).exists()
        page = job.layout.look(COHORT, job.run.experiment_id)
        assert str(page) in str(refused.value.where)
        assert page.read_text().count("not JSON") >= len(gpu.asked) / 4
        assert journaled(job), "what was answered is kept"


def test_failures_that_are_to_be_expected_are_told(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    gpu = Machine(lambda busy: 3000 / (10 + busy), fails=0.5)
    with shard_on(gpu, clinic, monkeypatch, texts=300):
        job = job_of(gpu, clinic, monkeypatch, max_failed_share=0.7)
        record = run(job)
    failed = [text for text in record.asked if text.status != "answered"]
    assert failed
    assert all(text.detail for text in failed)


def test_texts_that_failed_before_are_no_sample_of_the_shard(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    gpu = Machine(lambda busy: 3000 / (10 + busy), fails=0.05)
    with shard_on(gpu, clinic, monkeypatch, texts=200):
        job = job_of(gpu, clinic, monkeypatch, slots=4, pilot={"notes": 200, "sweep_minutes": 0})
        made = run(job)
        failed = {text.text_sha256 for text in made.asked if text.status != "answered"}
        job.layout.pilot(COHORT, job.run.experiment_id).unlink()
        again = run(job)
    assert {text.text_sha256 for text in again.asked if text.slots} == failed
    assert len(failed) > 2
    told = estimate(again, [ShardCount("0000", 200)])
    assert not isinstance(told, CantTell)
    assert any("answered 1" in remark and "of the 200 texts" in remark for remark in told.remarks)


def test_the_longest_texts_are_no_sample_of_the_shard(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    gpu = Machine(lambda busy: 3000 / (10 + busy), longest=100)
    clinic.fill(*((number, f"{number} 100 {'long' * 50 * (number < 4)}") for number in range(900)))
    clinic.extract(COHORT, shards=1)
    pilot = {"notes": 64, "sweep_minutes": 0}
    job = job_of(gpu, clinic, monkeypatch, slots=4, max_failed_share=0.01, pilot=pilot)
    record = run(job)
    assert [text.drawn for text in record.asked if text.status != "answered"] == [False] * 4


def test_a_text_that_no_engine_survives_does_not_end_it(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    gpu = fast()
    with shard_on(gpu, clinic, monkeypatch, texts=300) as job:
        with opened(job) as work:
            gpu.deadly = list(islice(work.texts(), 20))[-1].text
        job = job_of(gpu, clinic, monkeypatch, slots=4)
        record = run(job)
    (failed,) = [text for text in record.asked if text.status != "answered"]
    assert failed.status == "server_error"


def test_a_prompt_that_was_counted_is_told_as_it_was(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    with shard_on(fast(), clinic, monkeypatch, texts=300) as job:
        record = run(job)
    assert record.shard_texts.longest_prompt >= max(text.prompt_tokens for text in record.asked)


def test_a_record_holds_no_word_of_a_note_or_an_answer(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    with shard_on(fast(), clinic, monkeypatch, texts=100) as job:
        run(job)
        path = job.layout.pilot(COHORT, job.run.experiment_id)
    written = path.read_text()
    assert "because" not in written
    assert path.stat().st_mode & 0o077 == 0
    for (note,) in clinic.rows("SELECT note FROM notes"):
        assert f'"{note}"' not in written


def test_a_cohort_without_a_text_is_piloted_in_no_time(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    clinic.fill((1, None), (2, " "))
    clinic.extract(COHORT, shards=2)
    gpu = fast()
    record = run(job_of(gpu, clinic, monkeypatch))
    assert record.asked == []
    assert gpu.starts == []


def test_the_first_shard_with_texts_is_taken(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    clinic.fill((1, "1 50"))
    manifest = clinic.extract(COHORT, shards=9)
    (there,) = [entry.name for entry in manifest.shards if entry.texts]
    record = run(job_of(fast(), clinic, monkeypatch))
    assert record.shard == there
    assert len(record.asked) == 1


def test_a_damaged_record_is_named(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, run: Pilot
) -> None:
    with shard_on(fast(), clinic, monkeypatch, texts=20) as job:
        path: Path = job.layout.pilot(COHORT, job.run.experiment_id)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"experiment": "another"}))
        with pytest.raises(NotemillError, match="no pilot's record"):
            run(job)

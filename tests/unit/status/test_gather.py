"""notemill.status.gather: what the files of a run come to."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.live import read_live
from notemill.answers.live_file import LiveFile
from notemill.config import read_config
from notemill.errors import NotemillError
from notemill.files import write_text
from notemill.logs import Terminated
from notemill.paths import cut_name, live
from notemill.plan.runs import plan_runs
from notemill.status import show
from notemill.status.gather import gather
from notemill.status.report import ShardState
from tests.unit.status.results import Results, adds_up, long_ago, only

OUT_OF_MEMORY = NotemillError("out of memory", where="the engine's log", remedy="fewer slots")


def test_before_extract_the_number_of_texts_is_unknown_and_said_so(tmp_path: Path) -> None:
    each = only(Results(tmp_path))
    assert (each.texts, each.left, each.answered, each.gpu_hours.estimated) == (None, None, 0, None)
    assert each.shards.waiting == each.shards.total == 4
    assert "not extracted yet" in each.remarks[0]


def test_each_state_is_counted_and_all_adds_up(results: Results) -> None:
    results.result("0000", "schema", "schema")
    results.ends("0000", *["answered"] * 8, "schema", "schema")
    results.job("0001", "answered", "answered", "timeout")
    long_ago(results.job("0002", "answered"))
    results.ends("0003", "answered", "schema", error=OUT_OF_MEMORY)
    each = only(results)
    assert each.shards.model_dump() == {
        "total": 4,
        "done": 1,
        "running": 1,
        "silent": 1,
        "failed": 1,
        "ended": 0,
        "waiting": 0,
    }
    assert (each.texts, each.answered, each.failed, each.left) == (40, 12, 3, 25)
    assert each.failed_by_status == {"schema": 2, "timeout": 1}
    assert adds_up(each)
    assert [(job.shard, job.state) for job in each.jobs] == [
        ("0001", "running"),
        ("0002", "silent"),
        ("0003", "failed"),
    ]
    assert each.jobs[2].failed_by_status == {"schema": 1}


def test_hours_are_of_all_jobs_and_estimated_by_what_texts_have_cost(results: Results) -> None:
    results.job("0001", *["answered"] * 10)  # 36 s
    results.result("0000")  # 72 s, by the shard itself
    each = only(results)
    assert each.gpu_hours.used == pytest.approx(108 / 3600)
    assert each.gpu_hours.estimated == pytest.approx(2 * 108 / 3600)
    assert each.gpu_hours.estimated_from == "run"


def test_a_job_with_several_servers_counts_each_of_its_gpus(results: Results) -> None:
    def beat(file: LiveFile) -> None:
        file.servers, file.given_up = 4, 1
        file.beat()

    results.job("0001", *["answered"] * 10, then=beat)  # 36 s
    each = only(results)
    assert each.gpu_hours.used == pytest.approx(4 * 36 / 3600)
    (job,) = each.jobs
    assert (job.servers, job.given_up, job.slots) == (4, 1, 8)
    assert show._slots(job) == "3/4x8"


def test_a_finished_shard_without_a_live_file_counts_by_its_own_words(results: Results) -> None:
    results.result("0000", "schema", "timeout", "schema")
    each = only(results)
    assert (each.shards.done, each.answered, each.failed, each.tokens) == (1, 7, 3, 100)
    assert each.failed_by_status == {"schema": 2, "timeout": 1}
    assert adds_up(each)


def test_a_result_whose_job_could_not_say_so_is_done(results: Results) -> None:
    results.job("0000", "answered")
    results.result("0000")
    each = only(results)
    assert (each.shards.done, each.shards.running, each.answered) == (1, 0, 10)


def test_a_result_that_was_deleted_is_to_be_written_from_its_journal(results: Results) -> None:
    results.result("0000").unlink()
    results.ends("0000", *["answered"] * 10)
    each = only(results)
    assert (each.shards.waiting, each.answered, each.jobs) == (4, 10, [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"notes_digest": "of other notes"}, "made from other notes"),
        ({"shard": "0001"}, "made from other notes"),
        (None, "damaged"),
    ],
)
def test_a_result_that_cant_be_used_wants_something_of_the_user(
    results: Results, changes: dict[str, Any] | None, words: str
) -> None:
    path = results.result("0000", **(changes or {}))
    if changes is None:
        path.write_bytes(b"PAR1")
    each = only(results)
    (job,) = each.jobs
    assert (job.state, each.answered, each.shards.done) == (ShardState.FAILED, 0, 0)
    assert job.failure
    assert words in job.failure.what
    assert "delete it and run again" in job.what_to_do
    assert adds_up(each)


def test_another_cut_another_fingerprint_and_other_notes_do_not_count(tmp_path: Path) -> None:
    results = Results(tmp_path, shards=4).extracted()
    for shard in ("0000", "0001"):
        results.ends(shard, *["answered"] * 10)
    folder = results.answers("0000").parent
    folder.rename(folder.with_name(cut_name(2)))
    assert only(results).answered == 0
    other = folder.with_name(cut_name(2)).rename(folder)
    other.parent.rename(other.parent.with_name("cough-000000000000"))
    each = only(results)
    assert each.answered == 0
    assert "answers of cough-000000000000 do not count" in each.remarks[0]
    # Brought here by hand, its files say whose they are.
    (other.parent.with_name("cough-000000000000")).rename(other.parent)
    for path in folder.glob("*.live.json"):
        write_text(path, path.read_text().replace(results.run.experiment_id, "cough-0"))
    assert (only(results).answered, results.status().unreadable) == (0, 2)
    results.job("0002", "answered", notes_digest="of a cohort that was given up")
    assert only(results).shards.running == 0


def test_a_new_number_of_shards_is_told_until_it_is_in_force(results: Results) -> None:
    frozen = json.loads(results.layout.manifest("chest", cut_name(4)).read_text())
    write_text(results.layout.frozen("chest"), json.dumps(frozen | {"cut": 4}))
    results.values["cohorts"]["chest"]["shards"] = 8
    config = read_config(results.values)
    (each,) = gather(config, plan_runs(config)).experiments
    assert "lies in 4 shards, the configuration says 8" in each.remarks[0]


def test_answers_that_only_a_journal_has_are_told_of(results: Results) -> None:
    results.journal("0000")
    each = only(results)
    assert (each.answered, each.uncounted_shards) == (0, 1)
    assert "1 shards have answers in their journals" in each.remarks[0]


def test_any_mixture_of_files_adds_up(tmp_path: Path) -> None:
    """Whatever jobs left, in whatever order, and whatever was cut, copied or lost of it."""
    chance = random.Random(1)
    kinds: list[BaseException | None] = [None, OUT_OF_MEMORY, Terminated(), ValueError("x")]
    for attempt in range(15):
        results = Results(tmp_path / str(attempt), shards=6, texts=3)
        if chance.random() < 0.9:
            results.extracted()
        for shard in chance.sample(["0000", "0001", "0002", "0003", "0004", "0005"], 5):
            endings = chance.choices(["answered", "schema", "timeout"], k=chance.randint(0, 3))
            if chance.random() < 0.5:
                results.ends(shard, *endings, error=chance.choice(kinds))
            elif chance.random() < 0.8:
                results.job(shard, *endings, texts=chance.choice([3, 3, 4]))
            if chance.random() < 0.3:
                results.result(shard, *[e for e in endings if e != "answered"])
            if chance.random() < 0.2:
                results.journal(shard)
        files = sorted(path for path in results.config.results.rglob("*") if path.is_file())
        for path in filter(Path.exists, chance.sample(files, min(3, len(files)))):
            match chance.randint(0, 3):
                case 0:
                    path.write_bytes(path.read_bytes()[: chance.randint(0, 400)])
                case 1:
                    path.unlink()
                case 2:
                    chance.choice(files).write_bytes(path.read_bytes())
                case 3:
                    long_ago(path)
        status = results.status()
        assert adds_up(status.experiments[0])
        assert status.model_validate_json(status.model_dump_json()) == status


def test_speeds_add_up_over_the_running_jobs_alone(results: Results) -> None:
    for shard in ("0000", "0001"):
        path = results.job(shard, "answered")
        values = json.loads(path.read_text())
        at = {"started_at": "2026-01-01T00:00:00Z", "renewed_at": "2026-01-01T00:00:10Z"}
        path.write_text(json.dumps(values | at | {"texts_per_s": 2.0, "ended": 20}))
    each = only(results)
    assert (each.texts_per_s, each.seconds_left) == (4.0, 38 / 4)
    assert each.mean_texts_per_s == 4.0  # 40 in the ten seconds in which both ran
    long_ago(live(results.answers("0001")))
    assert only(results).texts_per_s == 2.0


def test_a_time_left_holds_though_jobs_begin_with_their_longest_texts(results: Results) -> None:
    def weighed(file: LiveFile) -> None:
        file.left = 7.0  # 9 texts, the shorter ones
        file.beat()

    path = results.job("0000", "answered", then=weighed)
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"texts_per_s": 1.0, "left_per_s": 2.0}))
    each = only(results)
    assert each.left == 39
    assert each.seconds_left == (7 + 30) / 2
    path.write_text(json.dumps({**values, "left": None, "texts_per_s": 1.0}))
    assert only(results).seconds_left == 39  # a job of an older version


def test_a_load_counts_when_it_came_after_all_shards(results: Results) -> None:
    paths = [results.result(entry.name) for entry in results.entries]
    report = results.layout.load("chest", results.run.experiment_id)
    write_text(report, "{}")
    for path in paths:
        long_ago(path)
    status = results.status()
    assert (status.experiments[0].loaded, status.done) == (True, True)
    os.utime(paths[0], (time.time() + 60, time.time() + 60))
    assert not results.status().done
    paths[0].unlink()
    assert not only(results).loaded


def test_a_silent_job_says_where_it_was_and_what_to_do(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    path = results.job("0000", "answered")
    long_ago(path, seconds=900)
    (job,) = only(results).jobs
    known = read_live(path)
    assert known
    assert (job.state, job.host, job.slurm_job) == ("silent", known.host, "4711")
    assert 890 < job.silent_s < 1000
    assert "squeue -j 4711" in job.what_to_do
    assert job.log == str(
        results.layout.log("answer", "chest", results.run.experiment_id, "cut-0004", "0000")
    )

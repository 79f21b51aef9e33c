"""notemill.status.gather: what a pilot adds to a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from notemill.answers.journal_lines import Spent
from notemill.answers.live_file import LiveFile
from notemill.errors import NotemillError
from notemill.logs import Terminated
from notemill.paths import live
from notemill.pilot.record import PilotRecord
from tests.unit.status.results import Results, adds_up, only, outcome

OUT_OF_MEMORY = NotemillError("out of memory", where="the engine's log", remedy="fewer slots")


def pilot(results: Results, *endings: str, **changes: Any) -> PilotRecord:
    """A pilot's record that asked these texts of shard 0002, two a second."""
    asked = [
        {"text_sha256": "", "characters": 1, "drawn": True, "status": status, "detail": ""}
        | {"attempts": 1, "changes": "", "prompt_tokens": 1, "answer_tokens": 1, "seconds": 1}
        | {"slots": 8}
        for status in endings
    ]
    step = {"slots": 8, "texts": 20, "seconds": 10}
    values: dict[str, Any] = {
        "experiment": results.run.experiment_id,
        "cohort": "chest",
        **dict.fromkeys(("model", "model_digest", "engine", "host", "gpu", "notemill"), ""),
        "made_at": "",
        "gpu_memory_mib": None,
        "gpus": None,
        "slots": 8,
        "sweep": {"gpu": "", "steps": [step], "best": 8, "ended": "", "measured_at": ""},
        "ready_s": 1,
        "shard": "0002",
        "shard_texts": dict.fromkeys(
            ("texts", "characters", "squared_characters", "beyond_context", "longest_prompt"), 0
        ),
        "asked_before": 1,
        "asked": asked,
        "journal_bytes": 1,
        "seconds": 36,
    }
    record = PilotRecord.model_validate(values | changes)
    record.write(results.layout.pilot("chest", results.run.experiment_id))
    return record


def pilots_job(results: Results) -> LiveFile:
    """The pilot's job on shard 0002, at work."""
    path = live(results.layout.pilot("chest", results.run.experiment_id))
    file = LiveFile(path, cohort="chest", experiment=results.run.experiment_id, shard="pilot")
    file.begins(texts=10, answered=1, spent=lambda: Spent(36.0, 3, 90), notes_digest="digest 0002")
    return file


def test_what_the_pilot_answers_counts_at_once_and_its_speed_tells_the_hours(
    results: Results,
) -> None:
    results.journal("0002")
    with pilots_job(results) as file:
        file.ended(outcome())
        file.ended(outcome("schema"))
        file.ended(outcome())
        file.beat()
        each = only(results)
        assert (each.pilot, each.answered, each.left, each.uncounted_shards) == (
            "running",
            3,
            37,
            0,
        )
        assert [(job.shard, job.state, job.failed) for job in each.jobs] == [
            ("pilot", "running", 1)
        ]
        pilot(results, "answered", "schema", "answered")
    each = only(results)
    assert (each.pilot, each.answered, each.left, each.jobs) == ("done", 3, 37, [])
    assert each.gpu_hours.estimated_from == "pilot"
    assert each.gpu_hours.estimated == pytest.approx((36 + 37 / 2) / 3600, abs=1e-4)
    assert sum(texts for _, texts in each.timeline.texts) == 3
    results.job("0002", "answered", answered=3)  # its own job knows better
    assert only(results).answered == 4
    assert only(results).gpu_hours.estimated_from == "run"


def test_a_pilot_of_other_notes_counts_nowhere(results: Results) -> None:
    results.journal("0001")
    with pilots_job(results):
        pass
    assert (only(results).answered, only(results).uncounted_shards) == (0, 1)


def test_a_pilots_job_is_shown_as_others_are(results: Results) -> None:
    path = live(results.layout.pilot("chest", results.run.experiment_id))
    whose = {"cohort": "chest", "experiment": results.run.experiment_id, "shard": "pilot"}
    with pytest.raises(NotemillError), LiveFile(path, **whose):
        raise OUT_OF_MEMORY
    each = only(results)
    assert each.pilot == "failed"
    assert [(job.shard, job.state, job.what_to_do) for job in each.jobs] == [
        ("pilot", "failed", "fewer slots")
    ]
    assert adds_up(each)


def test_a_pilot_that_was_ended_needs_a_longer_time_of_its_own(results: Results) -> None:
    with pytest.raises(Terminated), pilots_job(results):
        raise Terminated
    (job,) = only(results).jobs
    assert job.state == "ended"
    assert "`runtime` of pilot_job" in job.what_to_do


def test_without_a_pilot_none_is_awaited(tmp_path: Path) -> None:
    experiment = {"task": "cough", "engine": "local", "model": "m:1", "results_table": "r"}
    results = Results(tmp_path, experiments={"cough": experiment | {"pilot": {"notes": 0}}})
    assert only(results).pilot == "off"


def test_another_experiments_pilot_does_not_count(results: Results) -> None:
    pilot(results, "answered", experiment="cough-0")
    results.journal("0002")
    assert (only(results).pilot, only(results).answered) == ("waiting", 0)


def test_a_step_of_a_few_texts_tells_no_hours(results: Results) -> None:
    step = {"slots": 8, "texts": 1, "seconds": 0.03}
    pilot(results, sweep={"gpu": "", "steps": [step], "best": None, "ended": "", "measured_at": ""})
    assert only(results).gpu_hours.estimated is None

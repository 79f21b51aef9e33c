"""What squeue and sacct say, and when that is a job's end."""

from __future__ import annotations

import pytest

from notemill.slurm.executor import PATIENCE_S
from notemill.slurm.states import Absences, Seen, end_of, read_rows

JOB = "7"


@pytest.mark.parametrize(
    "state",
    [
        "BOOT_FAIL",
        "CANCELLED",
        "CANCELLED by 1000",
        "CANCELLED+",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "TIMEOUT",
    ],
)
def test_a_state_in_which_nothing_more_comes_is_an_end(state: str) -> None:
    rows = read_rows(f"{JOB}|{state}|n1")
    assert end_of(JOB, {}, rows) == end_of(JOB, rows, {}) == Seen(state, "n1")


@pytest.mark.parametrize(
    "state",
    [
        "PENDING",
        "RUNNING",
        "SUSPENDED",
        "COMPLETING",
        "CONFIGURING",
        "REQUEUED",
        "REQUEUE_HOLD",
        "SPECIAL_EXIT",
        "STAGE_OUT",
        "STOPPED",
        "REVOKED",
        "A_STATE_OF_TOMORROW",
    ],
)
def test_any_other_state_is_waited_for(state: str) -> None:
    rows = read_rows(f"{JOB}|{state}|")
    assert end_of(JOB, rows, {}) is None
    assert end_of(JOB, None, rows) is None


@pytest.mark.parametrize("recorded", ["PREEMPTED", "NODE_FAIL", "CANCELLED by 0"])
def test_a_job_that_is_back_in_the_queue_has_not_ended(recorded: str) -> None:
    assert end_of(JOB, {JOB: Seen("PENDING")}, {JOB: Seen(recorded)}) is None


@pytest.mark.parametrize("silent", ["squeue", "sacct"])
def test_one_source_is_enough_for_an_end(silent: str) -> None:
    rows = {JOB: Seen("FAILED")}
    sources = (None, rows) if silent == "squeue" else (rows, None)
    assert end_of(JOB, *sources) == Seen("FAILED")


def test_no_answer_and_no_row_are_no_end() -> None:
    assert end_of(JOB, None, None) is None
    assert end_of(JOB, {}, {}) is None


def test_a_sibling_in_a_federation_says_nothing_about_the_job() -> None:
    for lines in (["7|RUNNING|n1", "7|REVOKED|"], ["7|REVOKED|", "7|RUNNING|n1"]):
        assert read_rows("\n".join(["CLUSTER: a", *lines])) == {JOB: Seen("RUNNING", "n1")}


def test_a_job_is_lost_when_both_answer_without_it_for_so_long() -> None:
    absences = Absences(60)
    for recorded in ({}, {JOB: Seen("RUNNING")}):
        assert not absences.lost(JOB, {}, recorded, now=0)
        assert not absences.lost(JOB, {}, recorded, now=60)
        assert absences.lost(JOB, {}, recorded, now=61)
        assert not absences.lost(JOB, {JOB: Seen("RUNNING")}, recorded, now=62)


def test_a_new_job_with_the_number_of_a_lost_one_has_the_whole_time() -> None:
    absences = Absences(60)
    assert not absences.lost(JOB, {}, {}, now=0)
    assert absences.lost(JOB, {}, {}, now=61)
    assert not absences.lost(JOB, {}, {}, now=62)
    assert absences.lost(JOB, {}, {}, now=123)


@pytest.mark.parametrize("sources", [(None, {}), ({}, None), (None, None)])
def test_silence_is_no_absence(sources: tuple[dict[str, Seen] | None, ...]) -> None:
    absences = Absences(60)
    assert not absences.lost(JOB, {}, {}, now=0)
    assert not absences.lost(JOB, *sources, now=100_000)
    assert not absences.lost(JOB, {}, {}, now=100_001)
    assert not absences.lost(JOB, {}, {}, now=100_061)
    assert absences.lost(JOB, {}, {}, now=100_062)


def test_an_absent_slurm_is_waited_for_longer_than_a_quarter_of_an_hour() -> None:
    assert PATIENCE_S > 15 * 60

"""notemill.answers.measuring and slots: how many slots a job's engine gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from notemill.answers.classing import Classing
from notemill.answers.measuring import Limits, sweep
from notemill.answers.opening import opened
from notemill.answers.shard_job import ShardJob
from notemill.answers.slots import classing_of, keep_slots, measured_slots
from notemill.answers.sweep import Sweep
from notemill.errors import NotemillError
from tests.unit.answers.service import Machine, at_once, job_of, journaled, shard_on
from tests.unit.conftest import Clinic

LIMITS = Limits(texts=64, most_slots=64, minutes=60)


def batching(decode: float, each: float) -> Callable[[int], float]:
    """A batch's step takes so long, and so much longer for each request in it."""
    return lambda busy: 1 / (decode + each * busy)


SATURATING = batching(0.01, 0.001)
BANDWIDTH_BOUND = batching(0.01, 0.0001)
COMPUTE_BOUND = batching(0.0, 0.002)


def swept(
    gpu: Machine,
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
    limits: Limits = LIMITS,
    **how: Any,
) -> Sweep:
    with (
        shard_on(
            gpu, clinic, monkeypatch, texts=how.pop("texts", 1500), seed=how.pop("seed", 1)
        ) as job,
        opened(job) as work,
    ):
        classing = Classing(work, None)
        done = at_once(sweep(work, "GPU", limits, classing=classing, **how), monkeypatch)
        assert len(gpu.asked) == len(set(gpu.asked)), "a text was asked twice"
        assert isinstance(done, Sweep)
        return done


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "speed",
    [SATURATING, BANDWIDTH_BOUND, COMPUTE_BOUND, lambda busy: 100 / max(1, busy / 6)],
    ids=["saturating", "bandwidth", "compute", "a knee at 6"],
)
def test_what_it_takes_is_nearly_the_best(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, speed: Callable[[int], float], seed: int
) -> None:
    gpu = Machine(speed)
    done = swept(gpu, clinic, monkeypatch, texts=1500, seed=seed)
    assert done.best
    of_doublings = max(gpu.throughput(2**power) for power in range(7))
    assert gpu.throughput(done.best) >= 0.93 * of_doublings


def test_where_slots_gain_nothing_few_are_taken(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = swept(Machine(COMPUTE_BOUND), clinic, monkeypatch)
    assert done.best == 1
    assert [step.slots for step in done.steps] == [1, 2, 4]
    assert done.ended == "more slots answered no more"


def test_a_step_tells_its_true_speed(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Machine(SATURATING)
    done = swept(gpu, clinic, monkeypatch)
    for step in done.steps:
        assert step.tokens / step.seconds == pytest.approx(gpu.throughput(step.slots), rel=0.1)


@pytest.mark.parametrize("trouble", ["most", "dies_at"])
def test_more_slots_than_the_memory_holds_end_it_and_their_texts_are_asked_later(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    gpu = Machine(BANDWIDTH_BOUND, **{trouble: {"most": 4, "dies_at": 8}[trouble]})
    with shard_on(gpu, clinic, monkeypatch, texts=600) as job:
        with opened(job) as work:
            classing = Classing(work, None)
            done = at_once(sweep(work, "GPU", LIMITS, classing=classing), monkeypatch)
            answered = set(work.journal.answers)
            assert work.missing() == work.wanted - answered
        assert done.best == 4
        assert done.ended.startswith("8 slots can't be had: ")
        assert done.steps[-1].why_not
        assert journaled(job) == answered


def test_one_slot_that_can_not_be_had_is_an_error(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotemillError, match="of the model are on the GPU"):
        swept(Machine(SATURATING, most=0), clinic, monkeypatch)


def test_the_configured_number_is_measured_first_and_must_be_had(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Machine(BANDWIDTH_BOUND, most=8)
    with pytest.raises(NotemillError, match="of the model are on the GPU"):
        swept(gpu, clinic, monkeypatch, also=12)
    assert gpu.starts == [12]
    gpu = Machine(BANDWIDTH_BOUND, most=8)
    done = swept(gpu, clinic, monkeypatch, also=4)
    assert [step.slots for step in done.steps] == [4, 1, 2, 8, 16]
    assert done.best == 8


def test_it_begins_lower_where_the_first_number_can_not_be_had(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Machine(BANDWIDTH_BOUND, most=2)
    assert swept(gpu, clinic, monkeypatch, first=8).best == 2
    assert gpu.starts == [8, 4, 2]


@pytest.mark.parametrize(
    ("limits", "steps", "ended"),
    [
        (Limits(64, 4, 60), [1, 2, 4], "it was not to try more (pilot.most_slots)"),
        (Limits(64, 6, 60), [1, 2, 4, 6], "it was not to try more (pilot.most_slots)"),
        (Limits(64, 64, 1), [1], "its time was over (pilot.sweep_minutes)"),
    ],
)
def test_it_is_bounded(
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
    limits: Limits,
    steps: list[int],
    ended: str,
) -> None:
    done = swept(Machine(BANDWIDTH_BOUND), clinic, monkeypatch, limits)
    assert [step.slots for step in done.steps] == steps
    assert done.ended == ended
    assert done.best == (steps[-1] if len(steps) > 1 else None), "one slot is the best of none"


def test_a_shard_without_more_texts_ends_it(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = swept(Machine(BANDWIDTH_BOUND), clinic, monkeypatch, texts=100)
    assert done.ended == "the shard has no more texts to ask"
    assert done.best


class TestAJobWithAutomaticSlots:
    @staticmethod
    def slots_of(job: ShardJob, monkeypatch: pytest.MonkeyPatch, gpu: str) -> int:
        monkeypatch.setattr(
            "notemill.answers.slots.gpu_here", lambda _: type("", (), {"name": gpu})
        )
        with opened(job) as work:
            classing = at_once(classing_of(work), monkeypatch)
            return int(classing.slots_at(job.run.experiment.options.num_ctx))

    def test_takes_what_was_measured_on_its_kind_of_gpu(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gpu = Machine(BANDWIDTH_BOUND)
        with shard_on(gpu, clinic, monkeypatch) as job:
            place = job.layout, job.cohort, job.run.experiment_id
            measured = Sweep(gpu="NVIDIA L40S", steps=[], best=24, ended="", measured_at="")
            keep_slots(*place, measured)
            assert self.slots_of(job, monkeypatch, "NVIDIA L40S") == 24
            assert not gpu.starts

    def test_measures_another_kind_itself_once(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gpu = Machine(COMPUTE_BOUND)
        with shard_on(gpu, clinic, monkeypatch) as job:
            taken = self.slots_of(job, monkeypatch, "NVIDIA A100")
            starts = list(gpu.starts)
            assert starts[0] == 4
            answered = journaled(job)
            assert answered, "what it measured with counts"
            assert self.slots_of(job, monkeypatch, "NVIDIA A100") == taken
            assert gpu.starts == starts
            assert journaled(job) == answered

    def test_measures_again_what_cant_be_read(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gpu = Machine(COMPUTE_BOUND)
        with shard_on(gpu, clinic, monkeypatch) as job:
            place = job.layout, job.cohort, job.run.experiment_id, "NVIDIA A100"
            path = job.layout.slots(*place[1:])
            path.parent.mkdir(parents=True)
            path.write_text('{"gpu": "NVIDIA')
            taken = self.slots_of(job, monkeypatch, "NVIDIA A100")
            assert gpu.starts
            assert measured_slots(*place, 4096) == taken

    def test_may_not_fail_at_more_texts_than_any_job(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gpu = Machine(SATURATING, fails=0.5)
        with shard_on(gpu, clinic, monkeypatch, texts=120) as job:
            with pytest.raises(NotemillError, match="more than max_failed_share allows"):
                self.slots_of(job, monkeypatch, "NVIDIA A100")

    def test_without_a_sweep_takes_four(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gpu = Machine(SATURATING)
        with shard_on(gpu, clinic, monkeypatch):
            job = job_of(gpu, clinic, monkeypatch, pilot={"sweep_minutes": 0})
            assert self.slots_of(job, monkeypatch, "NVIDIA A100") == 4
            assert not gpu.starts

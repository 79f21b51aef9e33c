"""Classes of length in a job: what is asked where, and that no outcome knows of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest

from notemill.answers import classing as module
from notemill.answers.classes import LengthClass
from notemill.answers.classing import BY_CONTEXT, Classing
from notemill.answers.opening import opened
from notemill.answers.outcome import Outcome
from notemill.answers.shard_job import ShardJob
from notemill.answers.slots import classing_of
from notemill.answers.work import ShardWork
from notemill.errors import EngineRefused
from tests.unit.answers.service import COHORT, Machine, at_once, job_of, texts_of
from tests.unit.conftest import Clinic

NUM_CTX = 8192
MEMORY = 4 * NUM_CTX


def batching(busy: int) -> float:
    return 1 / (0.01 + 0.0001 * busy)


def tail(texts: int = 400, seed: int = 1) -> list[tuple[int, int]]:
    """Mostly short prompts, some that only num_ctx holds, and some that nothing does."""
    chance = random.Random(seed)
    short = [(chance.randint(100, 1200), 20) for _ in range(texts)]
    return [*short, (7000, 20), (6000, 20), (9000, 20), (NUM_CTX - 5, 20)]


def machine(**how: Any) -> Machine:
    return Machine(batching, grain=500, **how)


class Run:
    """A shard's job on a machine, as often as one likes."""

    def __init__(self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clinic = clinic
        self.patch = monkeypatch

    def fill(self, tokens: Sequence[tuple[int, int]], **how: Any) -> None:
        self.clinic.fill(*enumerate(texts_of(tokens, **how)))
        self.clinic.extract(COHORT, shards=1)

    def job(self, gpu: Machine, **changes: Any) -> ShardJob:
        options = {"num_ctx": NUM_CTX} | changes.pop("options", {})
        values = {"slots": 4, "classes": "auto", "max_failed_share": 1} | changes
        return job_of(gpu, self.clinic, self.patch, options=options, **values)

    def outcomes(self, gpu: Machine, **changes: Any) -> dict[str, dict[str, Any]]:
        """What each text came to, without when and how long."""
        with opened(self.job(gpu, **changes)) as work:
            at_once(asked(work), self.patch)
            assert not work.missing()
            return {sha: told(each) for sha, each in (work.journal.answers | work.failures).items()}


async def asked(work: ShardWork) -> None:
    classing = await classing_of(work)
    await classing.ask(classing.plan())


def told(outcome: Outcome) -> dict[str, Any]:
    return {k: v for k, v in asdict(outcome).items() if k not in ("seconds", "answered_at")}


@pytest.fixture
def run(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(
        "notemill.answers.slots.gpu_here", lambda _: type("", (), {"name": "NVIDIA L40S"})
    )
    monkeypatch.setattr(module, "_READY_S", 1.0)
    return Run(clinic, monkeypatch)


def test_short_texts_get_more_slots_and_long_ones_come_last_with_the_promised_context(
    run: Run,
) -> None:
    run.fill(tail())
    gpu = machine(memory=MEMORY)
    run.outcomes(gpu)
    assert gpu.contexts[-1] == NUM_CTX
    assert gpu.starts[-1] == 4
    assert gpu.contexts[0] < NUM_CTX / 2
    assert gpu.starts[0] > 8
    assert all(s * c <= MEMORY for s, c in zip(gpu.starts, gpu.contexts, strict=True))
    lengths = [int(text.split()[1]) for text in gpu.asked]
    assert max(lengths[:100]) < 6000


@pytest.mark.parametrize(
    ("classes", "dense", "options"),
    [("auto", 4, {}), ("auto", 1.5, {"num_predict": 300}), ([512, 2048, 4096], 1.5, {})],
    ids=["as estimated", "more tokens a byte", "configured"],
)
def test_an_outcome_does_not_depend_on_its_class(
    run: Run, classes: Any, dense: float, options: dict[str, int]
) -> None:
    """Answers that are cut and tried again, prompts at every edge, and more tokens than guessed."""
    chance = random.Random(2)
    edges = [
        (context - room, answer)
        for context in (512, 1024, 1536, 2048, 4096, NUM_CTX)
        for room in (0, 1, 19, 20, 21, 256, 300, 512, 600)
        for answer in (20, 256, 280, 500)
        if context - room > 10
    ]
    answers = [(chance.randint(50, 3000), chance.choice([20, 255, 257, 400])) for _ in range(100)]
    run.fill(edges + answers, bytes_a_token=dense)
    attempts = {"attempts": 3, "options": options}
    alone = run.outcomes(machine(), classes="off", **attempts)
    gone = {sha: each for sha, each in alone.items() if each["status"] != "answered"}
    assert {each["status"] for each in gone.values()} == {"too_long", "truncated"}
    for path in run.clinic.layout.results.rglob("*.journal*"):
        path.unlink()
    gpu = machine()
    assert run.outcomes(gpu, classes=classes, **attempts) == alone
    assert len(set(gpu.contexts)) > 1


def test_a_job_that_is_killed_goes_on_with_other_classes_and_asks_nothing_twice(run: Run) -> None:
    run.fill(tail())
    answered: list[str] = []
    for number, classes in enumerate(("auto", [3000], "off", [600, 5000])):
        gpu = machine(memory=MEMORY)
        with opened(run.job(gpu, classes=classes)) as work:
            assert set(answered) == set(work.journal.answers)

            async def killed(work: ShardWork = work, last: bool = number == 3) -> None:
                classing = await classing_of(work)
                among = set(sorted(work.missing())[:90]) if not last else None
                await classing.ask(classing.plan(), among)

            at_once(killed(), run.patch)
            answered = list(work.journal.answers)
            if number == 3:
                assert {each.status for each in work.failures.values()} == {"too_long", "truncated"}
                assert not work.missing()
        texts = [text for text in gpu.asked if int(text.split()[1]) < NUM_CTX - 20]
        assert len(texts) == len(set(texts))


@pytest.mark.parametrize(
    ("changes", "contexts"),
    [
        ({"classes": "off"}, {NUM_CTX}),
        ({"architecture": BY_CONTEXT[0]}, {NUM_CTX}),
        ({"architecture": "phi3", "classes": [1280]}, {NUM_CTX}),
        ({"classes": [1280]}, {1280, NUM_CTX}),
        ({"classes": [NUM_CTX, 2 * NUM_CTX]}, {NUM_CTX}),
    ],
    ids=[
        "off",
        "a model whose answers depend on it",
        "whatever is configured",
        "as configured",
        "none that is shorter",
    ],
)
def test_classes_are_as_configured(run: Run, changes: dict[str, Any], contexts: set[int]) -> None:
    run.fill(tail())
    gpu = machine()
    run.outcomes(gpu, **changes)
    assert set(gpu.contexts) == contexts


def test_no_engine_is_started_for_a_class_without_texts_and_none_where_it_does_not_pay(
    run: Run,
) -> None:
    run.patch.setattr(module, "_READY_S", 60.0)
    run.fill([(200 + number, 20) for number in range(400)])
    gpu = machine(memory=MEMORY)
    run.outcomes(gpu)
    assert len(gpu.contexts) == 1
    assert gpu.contexts[0] < NUM_CTX
    few = Run(run.clinic, run.patch)
    with opened(few.job(machine())) as work:
        plan = Classing(work, None).plan(sorted(work.wanted)[:8])
    assert plan == [LengthClass(NUM_CTX, 4)]


def test_the_longest_text_of_a_class_is_begun_first(run: Run) -> None:
    run.fill(tail(60))
    gpu = machine()
    run.outcomes(gpu, classes=[2048])
    lengths = [int(text.split()[1]) for text in gpu.asked]
    classes = lengths[:-4], lengths[-4:]
    assert classes == tuple(sorted(each, reverse=True) for each in classes)


def test_a_class_that_does_not_fit_the_memory_gets_fewer_slots(run: Run) -> None:
    run.fill(tail())
    gpu = machine(memory=MEMORY, most=10)
    run.outcomes(gpu, classes=[2048])
    assert gpu.starts == [16, 8, 4]
    assert gpu.contexts == [2048, 2048, NUM_CTX]


def test_a_class_that_is_refused_leaves_its_texts_to_the_next(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refuses(Machine):
        def started(self, slots: int, context: int) -> Any:
            if context < NUM_CTX:
                self.contexts.append(context)
                raise EngineRefused("the prompts take it all", where="", remedy="")
            return super().started(slots, context)

    run.fill(tail())
    gpu = Refuses(batching, grain=500)
    run.outcomes(gpu)
    assert gpu.contexts[-1] == NUM_CTX
    assert len(gpu.contexts) == len(set(gpu.contexts)) > 1


def test_automatic_slots_are_measured_where_most_texts_are_and_hold_for_longer_contexts(
    run: Run,
) -> None:
    run.fill(tail())
    gpu = machine(memory=MEMORY)
    run.outcomes(gpu, slots="auto")
    kept = run.clinic.layout.slots(COHORT, run.job(gpu).run.experiment_id, "NVIDIA L40S")
    assert kept.exists()
    assert gpu.contexts[0] < NUM_CTX / 2
    had = [s * c <= MEMORY for s, c in zip(gpu.starts, gpu.contexts, strict=True)]
    assert had.count(False) <= 1, "only the sweep tries more than the memory holds"

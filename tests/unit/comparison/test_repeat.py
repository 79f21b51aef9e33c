"""notemill.comparison.repeat: which texts are asked again, and how many answers stay the same."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from notemill.answers.live import State, read_live
from notemill.comparison import repeat
from notemill.comparison.record import NO_ANSWER
from notemill.comparison.repeat import RepeatJob, run_repeat
from notemill.comparison.repeat_record import RepeatRecord, read_repeat
from notemill.config import Engine as EngineConfig
from notemill.engines.protocol import End, Engine, EngineGone, Question, Reply, Start
from notemill.engines.record import ModelRecord
from notemill.errors import NotemillError
from notemill.logs import Terminated
from notemill.paths import live
from tests.unit.answers.service import at_once
from tests.unit.comparison.sides import Sides
from tests.unit.conftest import Clinic
from tests.unit.evaluation.labelled import ANSWER
from tests.unit.loads import ID

Says = Callable[[str, int], dict[str, Any] | str]


class Again:
    """An engine that is asked again. says: what differs from ANSWER, by text and seed, or words
    that are no answer."""

    description = "small 2"

    def __init__(self, says: Says) -> None:
        self.says = says
        self.starts: list[tuple[int, int]] = []
        self.asked: list[tuple[str, int]] = []

    @asynccontextmanager
    async def proven(self, engine: EngineConfig, start: Start) -> AsyncIterator[Engine]:
        self.starts.append((start.slots, start.options.seed))
        yield self

    def baseline(self, task: str) -> int:
        return 5

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        text = question.user.rpartition("\n")[2]
        self.asked.append((text, question.seed))
        said = self.says(text, question.seed)
        words = said if isinstance(said, str) else json.dumps(ANSWER | said)
        return Reply(words, End.STOP, 40, 20)


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RepeatRecord]]:
    """Runs a repeat of `cough` with an engine, on a clock of its own."""

    def until_terminated(asking: Coroutine[Any, Any, None]) -> None:
        at_once(asking, monkeypatch)

    monkeypatch.setattr(repeat, "until_terminated", until_terminated)

    def run(sides: Sides, engine: Again, **settings: Any) -> RepeatRecord:
        monkeypatch.setattr(repeat, "proven_engine", engine.proven)
        return run_repeat(job_of(sides, **settings))

    yield run


def job_of(sides: Sides, digest: str = "m" * 64, **settings: Any) -> RepeatJob:
    loaded = sides.loads.work(repeat=settings, attempts=1).run
    model = {"engine": "openai", "model": "m:1", "weights_sha256": "w", "recorded_at": "today"}
    ModelRecord(**model, digest=digest).write(sides.layout.model(loaded.model_id))
    cut = sides.clinic.cut("chest")
    return RepeatJob(loaded, sides.layout, "chest", cut, Path("/nosuch/log"), 1)


def asked_again(clinic: Clinic, texts: int = 40, **answers: Any) -> Sides:
    """Notes of which two have each text."""
    notes = {number: f"text {number % texts}" for number in range(2 * texts)}
    return Sides(clinic, notes, answers, {})


def test_every_text_stays_where_the_engine_says_the_same(
    clinic: Clinic, ask: Callable[..., RepeatRecord]
) -> None:
    engine = Again(lambda text, seed: {})
    sides = asked_again(clinic)
    record = ask(sides, engine, notes=1000)
    assert (record.texts, record.of_texts, record.answered_before) == (40, 40, 40)
    assert (record.same.value, record.same_all.value, record.kept_status.value) == (1, 1, 1)
    assert all(field.same_all.value == 1 for field in record.fields)
    assert sorted(engine.asked) == sorted((f"text {n}", 1) for n in range(40))
    assert record == read_repeat(sides.layout.repeat("chest", ID))


def test_what_changed_is_told_by_field_and_class_and_failures_apart(
    clinic: Clinic, ask: Callable[..., RepeatRecord]
) -> None:
    again: dict[str, dict[str, Any] | str] = {
        "text 0": {"response": "no"},
        "text 1": "{",
        "text 2": {"reason": "another"},
        "text 3": {"findings": ["b", "a"]},
        "text 4": {},
    }
    sides = asked_again(
        clinic,
        10,
        **{"text 3": {"findings": ["a", "b"]}, "text 4": "truncated", "text 5": "schema"},
    )
    record = ask(sides, Again(lambda text, seed: again.get(text, "{" if text == "text 5" else {})),
                 notes=10)  # fmt: skip
    assert record.answered_before == 8
    assert (record.same.value, record.same.n) == (5 / 7, 7)
    assert (record.same_all.value, record.same_all.n) == (5 / 8, 8)
    interval = binomtest(5, 8).proportion_ci(method="wilson")
    assert (record.same_all.low, record.same_all.high) == pytest.approx(tuple(interval))
    fields = {field.field: field for field in record.fields}
    assert fields["response"].same.value == 6 / 7
    assert fields["reason"].same.value == 6 / 7
    assert fields["findings"].same.value == 1
    assert {(c.was, c.now): c.texts for c in fields["response"].changes} == {
        ("yes", "yes"): 6,
        ("yes", "no"): 1,
        ("yes", NO_ANSWER): 1,
        (NO_ANSWER, "yes"): 1,
        (NO_ANSWER, NO_ANSWER): 1,
    }
    assert fields["reason"].changes == []
    assert {(c.was, c.now): c.texts for c in record.statuses} == {
        ("answered", "answered"): 7,
        ("answered", "invalid_json"): 1,
        ("truncated", "answered"): 1,
        ("schema", "invalid_json"): 1,
    }
    assert record.kept_status.value == 7 / 10
    (only,) = record.rounds
    assert (only.answered, only.failed, only.tokens) == (8, {"invalid_json": 2}, 600)
    assert (record.engines_before, only.engine) == (["small 1"], "small 2")


def test_other_seeds_are_asked_each_time_with_an_engine_started_anew(
    clinic: Clinic, ask: Callable[..., RepeatRecord]
) -> None:
    engine = Again(
        lambda text, seed: {"response": "no" if (text, seed) == ("text 1", 2001) else "yes"}
    )
    record = ask(asked_again(clinic, 8), engine, notes=8, times=3, seed="other")
    assert engine.starts == [(record.slots, seed) for seed in (1001, 2001, 3001)]
    assert [each.seed for each in record.rounds] == [1001, 2001, 3001]
    assert [each.same.value for each in record.rounds] == [1, 7 / 8, 1]
    assert record.same.value == 7 / 8
    assert sum(change.texts for change in record.fields[0].changes) == 24


def test_the_same_texts_are_drawn_in_whatever_shards_and_another_number_holds_them(
    clinic: Clinic, tmp_path: Path, ask: Callable[..., RepeatRecord]
) -> None:
    drawn = []
    for number, (shards, notes) in enumerate([(1, 15), (5, 15), (2, 30)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        texts = {n: f"text {n % 60}" for n in range(90)}
        engine = Again(lambda text, seed: {})
        assert ask(Sides(Clinic(folder), texts, {}, {}, shards=shards), engine, notes=notes).texts
        drawn.append({text for text, _ in engine.asked})
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 15
    assert drawn[0] < drawn[2]
    # Not the first ones of the first shard, which a pilot asks.
    by_hash = sorted((f"text {n}" for n in range(60)), key=lambda t: sha256(t.encode()).digest())
    assert min(len(drawn[0] - set(by_hash[:15])), len(drawn[0] & set(by_hash[30:]))) > 4


def test_the_draw_is_no_first_part_of_the_shards(
    clinic: Clinic, ask: Callable[..., RepeatRecord]
) -> None:
    """Of all shards, by chance: so failed and answered texts alike."""
    sides = asked_again(clinic, 200, **{f"text {n}": "schema" for n in range(100)})
    record = ask(sides, Again(lambda text, seed: {}), notes=80)
    assert 25 < record.answered_before < 55


def test_a_repeat_that_was_made_stands_until_its_settings_are_others(
    clinic: Clinic, ask: Callable[..., RepeatRecord]
) -> None:
    sides = asked_again(clinic, 8)
    engine = Again(lambda text, seed: {})
    made = ask(sides, engine, notes=4)
    assert ask(sides, engine, notes=4) == made
    assert len(engine.starts) == 1
    assert ask(sides, engine, notes=5).texts == 5
    assert len(engine.starts) == 2


def test_a_repeat_that_is_ended_leaves_nothing_but_how_it_went(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = asked_again(clinic, 8)
    before = {path: path.read_bytes() for path in sides.layout.results.rglob("*.parquet")}

    def until_terminated(asking: Coroutine[Any, Any, None]) -> None:
        asking.close()
        raise Terminated

    monkeypatch.setattr(repeat, "until_terminated", until_terminated)
    job = job_of(sides, notes=4)
    with pytest.raises(Terminated):
        run_repeat(job)
    assert not job.output.exists()
    told = read_live(live(job.output))
    assert told
    assert (told.state, told.shard, told.texts) == (State.ENDED, "repeat", 4)
    assert {path: path.read_bytes() for path in before} == before
    assert not list(sides.layout.results.rglob("*.journal.jsonl"))


def test_another_model_is_refused_before_an_engine_starts(
    clinic: Clinic, ask: Callable[..., RepeatRecord]
) -> None:
    with pytest.raises(NotemillError, match="to ask another model is no repeat"):
        run_repeat(job_of(asked_again(clinic, 8), digest="d" * 64, notes=4))


def test_nothing_is_repeated_before_all_is_answered(clinic: Clinic) -> None:
    sides = asked_again(clinic, 8)
    sides.loads.shard("0001").unlink()
    with pytest.raises(NotemillError, match="1 of 2 shards"):
        run_repeat(job_of(sides, notes=4))


def test_a_lost_engine_stops_the_repeat_and_says_nothing_of_the_answers(
    clinic: Clinic, ask: Callable[..., RepeatRecord]
) -> None:
    engine = Again(lambda text, seed: {})

    async def lost(question: Question, timeout_s: float) -> Reply:
        raise EngineGone("out of memory")

    engine.ask = lost  # type: ignore[method-assign]
    sides = asked_again(clinic, 8)
    with pytest.raises(NotemillError, match="was lost"):
        ask(sides, engine, notes=8)
    assert not sides.layout.repeat("chest", ID).exists()


def test_a_cohort_without_a_text_has_a_record_that_says_why(
    clinic: Clinic, ask: Callable[..., RepeatRecord]
) -> None:
    engine = Again(lambda text, seed: {})
    record = ask(Sides(clinic, {1: " "}, {}, {}), engine, notes=5)
    assert (record.texts, record.same.value, engine.starts) == (0, None, [])
    assert record.same.why


@pytest.mark.parametrize("now", ["{", "an answer"])
def test_a_cohort_all_of_whose_texts_failed_is_asked_again_and_has_no_share_that_stayed(
    clinic: Clinic, ask: Callable[..., RepeatRecord], now: str
) -> None:
    """More notes are wished for than there are texts, and none was answered."""
    sides = asked_again(clinic, 6, **{f"text {n}": "truncated" for n in range(6)})
    engine = Again(lambda text, seed: "{" if now == "{" else {})
    record = ask(sides, engine, notes=100, times=2, seed="other")
    assert len(engine.asked) == 12
    assert (record.texts, record.of_texts, record.answered_before) == (6, 6, 0)
    for figure in (record.same, record.same_all, *(each.same for each in record.rounds)):
        assert (figure.value, figure.n) == (None, 0)
        assert figure.why
    assert all(each.same_all.why and each.same.why for each in record.fields)
    assert (record.kept_status.value, record.kept_status.n) == (0, 6)
    ended = "invalid_json" if now == "{" else "answered"
    assert [(c.was, c.now, c.texts) for c in record.statuses] == [("truncated", ended, 12)]
    assert all(each.answered == (0 if now == "{" else 6) for each in record.rounds)
    assert record == read_repeat(sides.layout.repeat("chest", ID))

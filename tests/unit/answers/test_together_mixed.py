"""Tasks asked together that send other parts of a note: with gates, classes, servers and cuts."""

from __future__ import annotations

import random
from collections import Counter
from itertools import groupby

import pytest

from notemill.answers.classing import Classing
from notemill.answers.live import read_live
from notemill.answers.opening import opened_together
from notemill.answers.shard import read_origin
from notemill.engines.protocol import EngineGone
from notemill.paths import live as live_path
from tests.unit.answers.ward import NUM_CTX, Pair, Server, Ward
from tests.unit.conftest import Clinic


@pytest.fixture
def ward(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Ward:
    return Ward(clinic, monkeypatch)


LENGTHS = (40, 300, 900, 2000, 4200, 5000, 6000, 7600, 9000, 400, 60, 3000)
"""Of some the prompt of fever alone is beyond NUM_CTX, of some all are."""


def test_each_task_has_its_own_rows_whatever_the_others_gates_do(ward: Ward) -> None:
    ward.fill(*LENGTHS)
    ward.run()
    found = ward.statuses()
    assert found == ward.expected()
    assert {"answered", "too_long", "not_relevant"} <= set(found.values())
    assert Counter(found.values())["not_relevant"] == len(LENGTHS) // 2
    wanted = {pair for pair, status in found.items() if status != "not_relevant"}
    assert Counter(pair for _, pair in ward.asked) == Counter(wanted)


def test_askings_that_send_the_same_of_a_note_are_neighbours(ward: Ward) -> None:
    """Of a note without a section the gate of plan cuts nothing; numbers are another text."""
    ward.fill(*LENGTHS[:4])
    ward.run(engine={"slots": 1})
    by_note = [
        (note, [task for _, (task, _) in pairs])
        for note, pairs in groupby(ward.asked, key=lambda each: each[1][1])
    ]
    assert len(by_note) == 4
    for note, tasks in by_note:
        if int(note) % 2:
            assert tasks == ["cough", "fever", "plan", "rash"]
        else:
            assert tasks == ["cough", "plan", "rash"]


def test_a_numbered_or_cut_task_that_leads_comes_behind_those_that_share_the_note(
    ward: Ward,
) -> None:
    ward.fill(300, 300)
    ward.engines()
    jobs = ward.jobs()
    with opened_together(jobs[::-1]) as lead:
        assert lead.job.run.task.name == "rash"
        for text in lead.texts():
            sent = [asking._task.as_sent(text.text) for asking in text.askings]
            assert len(list(groupby(sent))) == len(set(sent))
            assert text.askings[-1]._task.name == "rash"


def test_a_class_holds_a_text_with_the_longest_prompt_of_its_tasks(ward: Ward) -> None:
    """Whichever task leads, by prompts that were counted or not."""
    ward.fill(*(300 if number % 2 else 400 for number in range(70)))
    alone = {}
    for job in ward.jobs():
        with opened_together([job]) as lead:
            alone[job.run.task.name] = Classing(lead, None).tokens.around
    for jobs in (ward.jobs(), ward.jobs()[::-1]):
        with opened_together(jobs) as lead:
            assert Classing(lead, None).tokens.around == max(alone.values()) == alone["fever"]
    seen: Counter[Pair] = Counter()

    def killed(_: Server, pair: Pair) -> None:
        seen[pair] += 1
        if len(seen) > 230:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ward.run(killed)
    for jobs in (ward.jobs(), ward.jobs()[::-1]):
        with opened_together(jobs) as lead:
            needed = Classing(lead, None).tokens.needed(300, 0)
            asked = {work.job.run.task.name: work for work in lead.together}
            counted = [each.prompt_tokens for each in asked["fever"].journal.answers.values()]
            assert len(counted) >= 30
            assert max(counted) <= needed < alone["fever"] + 300


def test_one_prompt_beyond_its_class_makes_no_other_be_asked_twice(ward: Ward) -> None:
    ward.fill(*LENGTHS)
    ward.characters_a_token = 2  # more than is guessed: some are begun in too short a class
    ward.run(engine={"classes": [1024, 1400]})
    assert {server.context for server in ward.servers} == {1024, 1400, NUM_CTX}
    assert ward.statuses() == ward.expected()
    answered = {pair for pair, status in ward.expected().items() if status == "answered"}
    assert ward.answered == Counter(answered)
    tried = Counter((server.context, pair) for server, pair in ward.asked)
    assert set(tried.values()) == {1}
    assert len({pair for _, pair in ward.asked}) < len(ward.asked)


def test_a_class_that_is_tried_with_fewer_slots_asks_nothing_again_that_was_beyond_it(
    ward: Ward,
) -> None:
    ward.fill(40, 200, 40, 180, 60, 190, 40, 100)
    ward.characters_a_token = 2

    def meets(server: Server, pair: Pair) -> None:
        if server.start.slots > 1 and ward.refused:
            raise EngineGone("gone")

    ward.run(meets, engine={"classes": [1024], "restarts": 0, "slots": 1})
    started = [(server.start.slots, server.context) for server in ward.servers]
    assert started == [(2, 1024), (1, 1024), (1, NUM_CTX)]
    assert set(ward.refused.values()) == {1}
    assert ward.statuses() == ward.expected()


def test_a_server_that_is_lost_amid_a_texts_tasks_loses_and_doubles_nothing(ward: Ward) -> None:
    ward.fill(*LENGTHS)

    def first_dies(server: Server, pair: Pair) -> None:
        if server.number == 0 and pair[0] == "plan":
            raise EngineGone("gone")

    ward.run(first_dies, engine={"servers": 2, "restarts": 1})
    assert ward.statuses() == ward.expected()
    assert max(ward.answered.values()) == 1
    told = [read_live(live_path(job.output)) for job in ward.jobs()]
    origins = [read_origin(job.output) for job in ward.jobs()]
    for live, origin, job in zip(told, origins, ward.jobs(), strict=True):
        assert live
        failed = origin.failed
        assert (live.slots, live.servers, live.left) == (2, 2, pytest.approx(0, abs=1e-6))
        assert live.answered + live.settled + failed == live.texts == len(LENGTHS)
        assert live.ended == live.answered + failed
        assert sum(live.failed.values()) == failed
        assert origin.tokens == ward.spent[job.run.task.name]
    assert len({live.gpu for live in told if live}) == 1


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_killed_lost_and_reordered_each_task_ends_each_note_once(
    ward: Ward, seed: int
) -> None:
    """Runs with other servers, slots, classes, orders and cuts, until one is not killed."""
    chance = random.Random(seed)
    ward.fill(*(chance.choice(LENGTHS) for _ in range(10)), shards=2)
    done: set[Pair] = set()
    asked = deaths = kill_at = 0

    def meets(_: Server, pair: Pair) -> None:
        nonlocal asked, deaths
        asked += 1
        assert pair not in done
        if asked == kill_at:
            raise KeyboardInterrupt
        if deaths and chance.random() < 0.2:
            deaths -= 1
            raise EngineGone("gone")

    for left in reversed(range(4)):
        kill_at = chance.randint(1, 18) if left else 10**6
        deaths = chance.randint(0, 3)
        asked = 0
        engine = {
            "servers": chance.choice([1, 1, 2, 3]),
            "slots": chance.randint(1, 3),
            "classes": chance.choice(["off", "auto", [600], [300, 1200]]),
            "restarts": 4,
        }
        try:
            ward.run(meets, chance, engine=engine)
        except KeyboardInterrupt:
            assert left
        before, done = done, ward.journaled()
        assert before <= done
        ward.cut(chance.randint(1, 3))
        assert ward.journaled() == done
    ward.run(engine={"slots": 1})  # what failed is asked again, in the last cut
    assert ward.statuses() == ward.expected()
    assert max(ward.answered.values()) == 1
    spent = Counter[str]()
    for job in ward.every_job():
        spent[job.run.task.name] += read_origin(job.output).tokens
    assert spent == ward.spent

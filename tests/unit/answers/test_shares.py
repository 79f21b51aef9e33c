"""Which endpoint is next, and how jobs that know nothing of each other come to equal parts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from statistics import mean

import pytest

from notemill.answers.shares import Share, Shares


def busy(share: Share) -> int:
    """Requests of a job that has more texts than it may ask."""
    share.own = int(share.allowance)
    return share.own


@pytest.mark.parametrize("slots", [8, 16, 64])
@pytest.mark.parametrize("jobs", [2, 3, 4, 8])
def test_jobs_that_come_one_after_another_come_to_equal_parts(slots: int, jobs: int) -> None:
    chance = random.Random(jobs)
    shares: list[Share] = []
    parts: dict[Share, list[int]] = {}
    in_flight: list[int] = []
    for _ in range(jobs):
        share = Share(slots)
        share.begin(sum(each.own for each in shares))
        shares.append(share)
        parts = {each: [] for each in shares}
        for _ in range(60):
            for each in chance.sample(shares, len(shares)):  # each looks when it does
                in_flight.append(sum(one.own for one in shares))
                each.look(in_flight[-1], each.own, len(shares))
                busy(each)
                parts[each].append(each.own)
    means = [mean(of_each[10:]) for of_each in parts.values()]
    assert max(means) <= 1.5 * min(means)
    assert mean(in_flight[-100:]) >= slots, "slots stay free"


def test_where_all_is_full_who_has_most_takes_no_more_and_who_has_less_does() -> None:
    more, less = Share(4), Share(4)
    more.allowance, less.allowance = 4.0, 1.0
    for _ in range(3):
        more.look(5, 4, 2)
        less.look(5, 1, 2)
        assert more.allowance == 4
    assert less.allowance > 1


def test_what_one_job_leaves_another_takes() -> None:
    share = Share(16)
    share.begin(16)
    assert busy(share) == 1
    for _ in range(20):
        share.look(busy(share), share.own, 4)
    assert share.own == 17


async def _order(shares: Sequence[Share], texts: int) -> list[int]:
    """Which endpoint each of so many texts goes to, none ending."""
    pool, order = Shares(), []

    async def worker(number: int, share: Share) -> None:
        while len(order) < texts:
            await pool.turn(share)
            order.append(number)

    workers = [asyncio.create_task(worker(number, share)) for number, share in enumerate(shares)]
    await asyncio.sleep(0)
    pool._shares.extend(shares)
    pool.ring()
    while len(order) < texts and not all(task.done() for task in workers):
        await asyncio.sleep(0)
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return order[:texts]


def test_the_next_text_goes_where_the_smallest_share_is_in_use() -> None:
    small, large, crowded = Share(2), Share(8), Share(8)
    crowded.others = 7
    order = asyncio.run(_order([small, large, crowded], 10))
    assert order.count(1) == 8
    assert order.count(0) == 2
    assert 2 not in order


def test_a_job_that_has_nothing_anywhere_asks_one_however_full_all_are() -> None:
    full = Share(4)
    full.begin(9)
    full.allowance, full.others = 0.5, 9
    assert asyncio.run(asyncio.wait_for(_order([full], 1), 5)) == [0]

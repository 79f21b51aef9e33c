"""Which endpoint is next, and how jobs that know nothing of each other come to equal parts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from notemill.answers.shares import Share, Shares


def busy(share: Share) -> int:
    """Requests of a job that has more texts than it may ask."""
    share.own = int(share.allowance)
    return share.own


@pytest.mark.parametrize("slots", [2, 8, 16, 64])
@pytest.mark.parametrize("jobs", [2, 3])
def test_jobs_that_come_one_after_another_come_to_equal_parts(slots: int, jobs: int) -> None:
    shares: list[Share] = []
    for _ in range(jobs):
        share = Share(slots)
        share.begin(sum(each.own for each in shares))
        shares.append(share)
        for _ in range(60):
            for each in shares:
                busy(each)
            in_flight = sum(each.own for each in shares)
            for each in shares:
                each.look(in_flight, each.own)
    parts = [busy(each) for each in shares]
    assert max(parts) - min(parts) <= max(slots // 4, 2)
    assert sum(parts) >= slots, "slots stay free"


def test_what_one_job_leaves_another_takes() -> None:
    share = Share(16)
    share.begin(16)
    assert busy(share) == 1
    for _ in range(20):
        share.look(busy(share), share.own)
    assert share.own == 17


async def _order(shares: Sequence[Share], texts: int) -> list[int]:
    """Which endpoint each of so many texts goes to, none ending."""
    pool, order = Shares(), []

    async def worker(number: int, share: Share) -> None:
        while len(order) < texts:
            await pool.turn(share)
            order.append(number)

    for share in shares:
        pool._shares.append(share)
    workers = [asyncio.create_task(worker(number, share)) for number, share in enumerate(shares)]
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

"""When a server stops taking requests, and how long those that it took may last."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta

from notemill.endpoints.ending import Ending
from notemill.endpoints.limits import DRAIN


def in_s(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_its_time_limit_begins_the_ending_two_minutes_before() -> None:
    async def main() -> None:
        ending = Ending(in_s(DRAIN.total_seconds() + 0.05))
        with ending.by_signals_and_time():
            assert not ending.begun.is_set()
            await asyncio.wait_for(ending.begun.wait(), 60)
        assert ending.why == "its time limit is near" and not ending.past

    asyncio.run(main())


def test_a_longer_drain_begins_it_earlier_and_lasts_longer() -> None:
    async def main() -> None:
        ending = Ending(in_s(600), timedelta(seconds=599.9))
        with ending.by_signals_and_time():
            await asyncio.wait_for(ending.begun.wait(), 60)
        assert ending.why == "its time limit is near" and not ending.past

    asyncio.run(main())


def test_what_is_in_flight_is_cut_before_slurm_cuts_the_job() -> None:
    async def main() -> None:
        ending = Ending(in_s(9))
        ending.begin("its time limit is near")
        assert ending.past

    asyncio.run(main())


def test_a_second_signal_waits_for_nothing_more() -> None:
    async def main() -> None:
        ending = Ending(None)
        with ending.by_signals_and_time():
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(ending.begun.wait(), 60)
            assert (ending.why, ending.past) == ("SIGTERM", False)
            os.kill(os.getpid(), signal.SIGTERM)
            while not ending.past:
                await asyncio.sleep(0.001)
        assert ending.why == "SIGTERM"

    asyncio.run(main())


def test_a_termination_after_a_drain_shortens_it_but_never_lengthens_it() -> None:
    ending = Ending(None)
    ending.begin("SIGUSR1", timedelta(seconds=-1))
    ending.begin("SIGTERM", timedelta(hours=1))
    assert ending.past and ending.why == "SIGUSR1"

"""Asking that SIGTERM ends in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from notemill.logs import Terminated


def until_terminated(asking: Coroutine[Any, Any, None]) -> None:
    """Run it; SIGTERM cancels it, so that the engine is ended before the job is."""

    async def main() -> None:
        task = asyncio.ensure_future(asking)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await task

    handler = signal.getsignal(signal.SIGTERM)
    try:
        asyncio.run(main())
    except asyncio.CancelledError:
        raise Terminated from None
    finally:
        signal.signal(signal.SIGTERM, handler)  # the loop left the default behind

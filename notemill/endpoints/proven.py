"""An endpoint that has shown what docs/engines.md lists."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from notemill.config import Engine as EngineConfig
from notemill.endpoints.known import Known
from notemill.engines.kinds import proven_engine_at
from notemill.engines.protocol import Engine, Start
from notemill.logs import log


@asynccontextmanager
async def proven_at(engine: EngineConfig, start: Start, known: Known) -> AsyncIterator[Engine]:
    """An endpoint's engine, left as it is in the end.

    Entering it raises EngineGone while no one is there, EngineRefused when it is not as it must be,
    and NotemillError for what another moment may change.
    """
    known.refuse(start)
    began = time.monotonic()
    async with proven_engine_at(engine, start, known.at, program=known.program) as ready:
        log.info(
            "endpoint %s%s is proven after %.1f s: %s, model %s, digest %s",
            known.name,
            f" ({known.where})" if known.where != known.name else "",
            time.monotonic() - began,
            ready.description,
            start.record.model,
            start.record.digest[:12] or "not told",
        )
        yield ready

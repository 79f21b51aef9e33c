"""Watches one endpoint from a client's side: whether it is there, and what it does for others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import urlsplit

from pydantic import ValidationError

from notemill.endpoints.standing import JOB_HEADER, STANDING_PATH, Standing
from notemill.engines.http import Http
from notemill.engines.protocol import At, EngineGone, RequestFailed

_ANSWER_S = 10.0


class Watch:
    """Asks an endpoint how it stands. job: a name by which the endpoint counts those that share
    its slots; empty for one that only looks."""

    def __init__(self, at: At, job: str = "") -> None:
        parts = urlsplit(at.address)
        self._http = Http.to(
            replace(at, address=f"{parts.scheme}://{parts.netloc}"),
            headers={JOB_HEADER: job} if job else None,
        )

    async def standing(self) -> Standing | None:
        """How it stands, None where it is there and has no word for it.

        Raises EngineGone when no one answers.
        """
        try:
            async with asyncio.timeout(_ANSWER_S):
                response = await self._http.get(STANDING_PATH)
        except TimeoutError:
            raise EngineGone(f"no answer in {_ANSWER_S:g} s") from None
        except RequestFailed:
            return None
        try:
            return Standing.model_validate_json(response.body) if response.ok else None
        except ValidationError:
            return None

    async def close(self) -> None:
        """Close the connection."""
        await self._http.close()

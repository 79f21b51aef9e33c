"""Watches one endpoint from a client's side: whether it is there, and what it does for others."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from pydantic import ValidationError

from notemill.endpoints.standing import STANDING_PATH, Standing
from notemill.engines.http import Http
from notemill.engines.protocol import At, EngineGone, RequestFailed

_ANSWER_S = 10.0


class Watch:
    """Asks an endpoint how it stands."""

    def __init__(self, at: At) -> None:
        parts = urlsplit(at.address)
        self._http = Http(
            f"{parts.scheme}://{parts.netloc}",
            at.key,
            at.certificate,
            authority=at.authority,
            elsewhere=True,
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

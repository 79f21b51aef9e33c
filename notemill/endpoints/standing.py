"""What an endpoint tells of itself over HTTP, beside answering."""

from __future__ import annotations

from typing import Literal

from notemill.files import Record

STANDING_PATH = "/notemill/standing"
"""Where it tells it, to those who have the token."""


class Standing(Record):
    """How an endpoint stands. in_flight: requests of all clients that have not ended.

    starting: its engine was lost and is started again. answered, failed: requests since its start,
    of those that ask the model; per_second: answered, over the last minute at most.
    """

    format: Literal[1] = 1
    state: Literal["starting", "ready", "draining"]
    slots: int
    in_flight: int
    answered: int
    failed: int
    per_second: float
    engine: str
    model: str
    digest: str

"""What an endpoint tells of itself over HTTP, beside answering."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from notemill.files import Record

STANDING_PATH = "/notemill/standing"
"""Where it tells it, to those who have the token."""
JOB_HEADER = "Notemill-Job"
"""In such a request: which of the jobs that share its slots it comes from, by any name."""


class Standing(Record):
    """How an endpoint stands. in_flight: requests of all clients that have not ended.

    starting: its engine was lost and is started again. answered, failed: requests since its start,
    of those that ask the model; per_second: answered, over the last minute at most. jobs: those
    that have looked in the last ten seconds.
    """

    format: Literal[1] = 1
    state: Literal["starting", "ready", "draining"]
    slots: int
    in_flight: int
    jobs: Annotated[int, Field(ge=1)] = 1
    answered: int
    failed: int
    per_second: float
    engine: str
    model: str
    digest: str

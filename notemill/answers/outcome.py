"""How a text ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """How a text ended, accepted or not; answer is None unless status is answered.

    prompt_tokens, answer_tokens: of the last attempt. seconds: wall time of all attempts.
    engine: name and version of what was asked. answered_at: UTC, ISO 8601.
    control_tokens: of the model, broken up in the text.
    """

    status: str
    answer: dict[str, Any] | None
    detail: str
    attempts: int
    changes: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    engine: str
    answered_at: str
    control_tokens: int = 0

"""What the next attempt at a note changes, for the reason that the last one failed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from notemill.answers.verdict import Status, Verdict
from notemill.config import Options

_RETRY_TEMPERATURE = 0.3
"""At temperature 0 another seed gives the same words again."""


@dataclass(frozen=True)
class Attempt:
    """How one try is made. changes: what differs from the first try, for the record."""

    number: int
    num_predict: int
    seed: int
    temperature: float
    timeout_s: float
    hint: str = ""
    changes: str = ""


def first_attempt(options: Options, timeout_s: float) -> Attempt:
    """The try with the experiment's own options."""
    return Attempt(1, options.num_predict, options.seed, options.temperature, timeout_s)


def next_attempt(
    last: Attempt, verdict: Verdict, *, prompt_tokens: int, num_ctx: int
) -> Attempt | None:
    """The try after a failed one, or None when nothing that can be changed would help.

    prompt_tokens: what the last try's prompt took, 0 if unknown.
    """
    attempt = replace(last, number=last.number + 1)
    match verdict.status:
        case Status.TRUNCATED:
            longer = min(2 * last.num_predict, num_ctx - prompt_tokens)
            if longer <= last.num_predict:
                return None
            return _changed(attempt, f"num_predict={longer}", num_predict=longer)
        case Status.SCHEMA:
            hint = f"An earlier answer was rejected: {verdict.hint}. Answer again and avoid this."
            return _changed(attempt, "hint", hint=hint)
        case Status.TIMEOUT:  # the server was slow: num_predict ends an answer that goes on and on
            longer_s = 2 * last.timeout_s
            return _changed(attempt, f"timeout_s={longer_s:g}", timeout_s=longer_s)
        case Status.INVALID_JSON:
            return _reseeded(attempt)
        case Status.SERVER_ERROR:  # not the question's fault; the asking pauses before it
            return _changed(attempt, "pause")
    return None


def _reseeded(attempt: Attempt) -> Attempt:
    seed = attempt.seed + 1
    temperature = max(attempt.temperature, _RETRY_TEMPERATURE)
    return _changed(
        attempt, f"seed={seed} temperature={temperature:g}", seed=seed, temperature=temperature
    )


def _changed(attempt: Attempt, change: str, **values: float | str) -> Attempt:
    changes = f"{attempt.changes}; {change}" if attempt.changes else change
    return replace(attempt, changes=changes, **values)  # type: ignore[arg-type]

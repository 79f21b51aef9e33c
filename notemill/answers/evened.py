"""Steps of a sweep made comparable (notemill.answers.measuring).

Texts differ, so a step's speed is not compared as it is: a text's seconds are fitted to its tokens,
and all steps are compared by what they would do with the average text of the sweep.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from notemill.answers.outcome import Outcome
from notemill.answers.sweep import EVENED_FROM, Step
from notemill.errors import NotemillError


@dataclass(frozen=True)
class Measured:
    """A step, what ended in its steady part, and why it could not be made."""

    step: Step
    outcomes: list[Outcome]
    error: NotemillError | None


def evened(measured: list[Measured]) -> list[Step]:
    """The steps with what each would do with the average text of all."""
    told = [each for each in measured if each.outcomes and not each.error]
    if not told:
        return [each.step for each in measured]
    average = np.mean([_tokens(each) for step in told for each in step.outcomes], axis=0)
    return [
        each.step.model_copy(update={"even_per_s": round(float(_even_rate(each, average)), 4)})
        if each in told
        else each.step
        for each in measured
    ]


def _even_rate(measured: Measured, average: np.ndarray) -> float:
    """Texts a second at the average text, by least squares of a text's seconds on its tokens."""
    tokens = np.array([_tokens(outcome) for outcome in measured.outcomes])
    seconds = np.array([outcome.seconds for outcome in measured.outcomes])
    own, rate = seconds.mean(), measured.step.texts_per_s
    if len(seconds) < EVENED_FROM or not own:
        return rate
    # Centred: the mean text of the step takes its mean seconds.
    slopes, *_ = np.linalg.lstsq(tokens - tokens.mean(axis=0), seconds - own, rcond=None)
    expected = own + float((average - tokens.mean(axis=0)) @ slopes)
    return rate * own / expected if expected > own / 2 else rate


def _tokens(outcome: Outcome) -> tuple[int, int]:
    return outcome.prompt_tokens, outcome.answer_tokens

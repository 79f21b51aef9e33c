"""Classes of length: which texts are asked with how much context, and so with how many slots.

Where a server gives each of its slots the same context, one long note sets it for all, and memory
holds few slots. So a job may ask its texts in classes: the short ones first, with many slots of a
short context, then the long ones with few of a long one, and an engine of its own for each. A
class is no more than an order of work: the last one has the experiment's `num_ctx`, and a text
that turns out not to fit its class is asked from the start in the next.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from notemill.answers.sweep import EVENED_FROM, TokensOfBytes

UNIT = 256
"""Tokens: servers round a slot's context up to a multiple of so many (llama.cpp)."""
_STEPS = 10
"""Contexts that are looked at below num_ctx, each some 0.7 of the one before."""
_MOST = 3
"""Classes of one job: each further start gains little."""
_GAIN = 0.95
"""A plan with more classes is taken if it takes so much of the time, or less."""
_LEAST_GAIN_S = 10.0
_FEW_BEYOND = 0.99
"""Of the texts, whose prompts take no more than is estimated."""


@dataclass(frozen=True)
class LengthClass:
    """context: tokens of each slot, prompt and answer together."""

    context: int
    slots: int


@dataclass(frozen=True)
class Needs:
    """What texts need of a slot's context, in tokens, and what each costs beside the average text.

    Both arrays are ordered by need.
    """

    tokens: np.ndarray
    costs: np.ndarray

    @classmethod
    def of(cls, sizes: Iterable[int], measure: TokensOfBytes, num_predict: int) -> Needs:
        """sizes: bytes of the texts."""
        ordered = np.sort(np.fromiter(sizes, dtype=np.float64))
        tokens = np.array([measure.needed(size, num_predict) for size in ordered])
        # Half of an average text's time is its answer's, as far as one knows, half its length's.
        mean = ordered.mean() if len(ordered) else 0.0
        return cls(tokens, 0.5 + 0.5 * ordered / mean if mean else np.ones(len(ordered)))


def tokens_of_bytes(counted: Sequence[tuple[int, int]]) -> TokensOfBytes | None:
    """By texts' bytes and their prompts' tokens, so that few take more. None for too few."""
    if len(counted) < EVENED_FROM:
        return None
    sizes, tokens = np.array(counted, dtype=np.float64).T
    spread = sizes - sizes.mean()
    slope = float(spread @ tokens / (spread @ spread)) if spread.any() else 0.0
    around = max(float(tokens.mean() - max(slope, 0.0) * sizes.mean()), 0.0)
    line = np.maximum(around + max(slope, 0.0) * sizes, 1.0)
    beyond = max(float(np.quantile(tokens / line, _FEW_BEYOND)), 1.0)
    return TokensOfBytes(around=around * beyond, per_byte=max(slope, 0.0) * beyond)


def most_of(measures: Sequence[TokensOfBytes]) -> TokensOfBytes:
    """No less than any of them, whatever the text."""
    return TokensOfBytes(
        around=max(each.around for each in measures),
        per_byte=max(each.per_byte for each in measures),
    )


def contexts_below(num_ctx: int, least: int) -> list[int]:
    """Contexts to choose from, ascending, none below `least` tokens."""
    found = {
        -(-int(num_ctx / math.sqrt(2) ** step) // UNIT) * UNIT for step in range(1, _STEPS + 1)
    }
    return sorted(context for context in found if least <= context < num_ctx)


def planned(
    needs: Needs,
    contexts: Sequence[int],
    num_ctx: int,
    *,
    slots_at: Callable[[int], int],
    rate: Callable[[int], float],
    ready_s: float,
) -> list[LengthClass]:
    """The classes that take least time, ascending; the last one has num_ctx.

    slots_at: slots that an engine with a context may have; rate: average texts a second by slots;
    ready_s: of an engine's start. One class alone where more would not gain enough.
    """

    def seconds(chosen: Sequence[int]) -> float:
        total, starts, first = 0.0, 0, 0
        for context in (*chosen, num_ctx):
            end = len(needs.tokens)
            if context != num_ctx:
                end = max(first, int(np.searchsorted(needs.tokens, context, side="right")))
            if end > first:
                starts += 1
                busy = min(slots_at(context), end - first)
                total += float(needs.costs[first:end].sum()) / rate(busy)
            first = end
        return total + ready_s * max(starts - 1, 0)

    alone = seconds(())
    choices = (
        choice for count in range(1, _MOST) for choice in itertools.combinations(contexts, count)
    )
    best = min(choices, key=seconds, default=())
    if not best or seconds(best) > min(_GAIN * alone, alone - _LEAST_GAIN_S):
        best = ()
    return [LengthClass(context, slots_at(context)) for context in (*best, num_ctx)]


def main_context(needs: Needs, contexts: Sequence[int], num_ctx: int) -> int:
    """The context that most of the work is to have, before anyone has measured a speed.

    As if slots gained by their root, and memory held as many as their context allows.
    """

    def cost(context: int) -> float:
        end = int(np.searchsorted(needs.tokens, context, side="right"))
        short, long = float(needs.costs[:end].sum()), float(needs.costs[end:].sum())
        return short * math.sqrt(context) + long * math.sqrt(num_ctx)

    return min((*contexts, num_ctx), key=cost)

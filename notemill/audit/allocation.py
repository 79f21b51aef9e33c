"""How many texts of each stratum are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from notemill.audit.population import Count, Ending

_LEAST = 30
"""Texts of each stratum, or all that it has."""
_RIGHT = 0.8
"""The accuracy that is taken for granted where a precision is wanted."""
_NORMAL = 1.96


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for.

    sizes: of single strata, None for all its texts. texts: in total, precision: half the width of
    the accuracy's interval, for the other strata; one of the two is None.
    """

    sizes: Mapping[str, int | None]
    texts: int | None = None
    precision: float | None = None

    def words(self) -> str:
        """How the sizes come about."""
        said = [
            f"{self.texts} texts" if self.texts else "",
            f"accuracy within {self.precision}" if self.precision else "",
            f"{len(self.sizes)} sizes given" if self.sizes else "",
        ]
        return ", ".join(filter(None, said))


def allocated(counts: Mapping[Ending, Count], total: int) -> dict[Ending, int]:
    """Share `total` texts out: half equally among the strata, half by their notes.

    Each gets 30 or all that it has, where the total is enough for that. By notes alone a rare
    answer is hardly read and its PPV is not told; equally, what the common answer misses is not.
    """
    least = min(_LEAST, total // max(len(counts), 1))
    notes = sum(each.notes for each in counts.values())
    parts = {key: 1 / len(counts) + each.notes / notes for key, each in counts.items()}

    def sizes(factor: float) -> dict[Ending, int]:
        return {
            key: min(each.texts, max(least, math.floor(factor * parts[key])))
            for key, each in counts.items()
        }

    low, high = 0.0, float(max(total, 1))
    while sum(sizes(high).values()) < min(total, sum(each.texts for each in counts.values())):
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(sizes(middle).values()) <= total else (low, middle)
    result = sizes(low)
    for key in sorted(counts, key=lambda key: counts[key].notes, reverse=True):  # what is left over
        if sum(result.values()) < total and result[key] < counts[key].texts:
            result[key] += 1
    return result


def half_width(counts: Mapping[Ending, Count], sizes: Mapping[Ending, int]) -> float:
    """Half of the accuracy's interval, if four answers in five are right in each stratum.

    1.96 sqrt(sum over strata of (notes_h / notes)^2 0.16 unlike_h / n_h (1 - n_h / texts_h)).
    Notes without an answer are wrong whatever is read.
    """
    notes = sum(each.notes for each in counts.values())
    variance = sum(
        (each.notes / notes) ** 2
        * (_RIGHT * (1 - _RIGHT) * each.unlike / sizes[key] if sizes[key] else math.inf)
        * (1 - sizes[key] / each.texts)
        for key, each in counts.items()
        if key.answer is not None
    )
    return _NORMAL * math.sqrt(variance)


def for_precision(counts: Mapping[Ending, Count], precision: float) -> dict[Ending, int]:
    """The smallest allocation whose half width is no more than this."""
    most = sum(each.texts for each in counts.values())
    total = _smallest(
        lambda texts: half_width(counts, allocated(counts, texts)) <= precision,
        min(most, _LEAST * len(counts)),
        most,
    )
    return allocated(counts, total)


def _smallest(enough: Callable[[int], bool], low: int, high: int) -> int:
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low

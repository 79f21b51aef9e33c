"""The parts of the gold's notes that are measured: headline, development, subgroups, no pilot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from notemill.config.evaluation import NOTE_LENGTH
from notemill.evaluation.gold import SPLITS
from notemill.evaluation.record import PartName

Headline = Literal["all", "test", "development"]


@dataclass(frozen=True)
class Part:
    """Some of the gold's notes, as `record.PartEvaluated` tells them. mask: which ones."""

    part: PartName
    mask: np.ndarray
    column: str = ""
    value: str = ""


def headline_of(split: list[str] | None, *, hold_back_test: bool) -> Headline:
    """Which notes the first figures are of."""
    if split is None:
        return "all"
    return "development" if hold_back_test else "test"


def headline_mask(split: list[str] | None, headline: Headline, notes: int) -> np.ndarray:
    """Which notes the first figures are of."""
    return np.ones(notes, bool) if split is None else np.array(split) == headline


def parts_of(
    split: list[str] | None,
    headline: Headline,
    subgroups: Mapping[str, list[str]],
    characters: np.ndarray,
    piloted: np.ndarray,
) -> Iterator[Part]:
    """Each part that has a note.

    characters: of each note's text; piloted: whether a pilot asked it.
    """
    first = headline_mask(split, headline, len(characters))
    yield Part("headline", first)
    if split is not None and headline != SPLITS[0]:
        yield Part("development", np.array(split) == SPLITS[0])
    if (first & piloted).any():
        yield Part("without_pilot", first & ~piloted)
    for column, of_notes in subgroups.items():
        values = np.array(of_notes)
        for value in sorted(set(values[first].tolist())):
            yield Part("subgroup", first & (values == value), column, value)
    yield from _thirds(first, characters)


def _thirds(first: np.ndarray, characters: np.ndarray) -> Iterator[Part]:
    """Thirds of the headline's notes by length; equal lengths stay together."""
    if not first.any():
        return
    low, high = (
        int(each) for each in np.quantile(characters[first], [1 / 3, 2 / 3], method="lower")
    )
    words = {
        f"up to {low:,} characters": characters <= low,
        f"{low + 1:,} to {high:,} characters": (characters > low) & (characters <= high),
        f"more than {high:,} characters": characters > high,
    }
    thirds = [(value, first & mask) for value, mask in words.items() if (first & mask).any()]
    if len(thirds) > 1:
        for value, mask in thirds:
            yield Part("subgroup", mask, NOTE_LENGTH, value)

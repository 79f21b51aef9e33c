"""Figures of a whole cohort from a sample that was read in strata, each by its weight.

Where a stratum shows no error, a plug-in variance is 0 and an interval by it a lie: a bootstrap
within strata holds the true sensitivity in 44 of 100 samples. So each stratum's share is drawn from
Beta(x + 1/2, n - x + 1/2), Jeffreys' posterior, all strata are weighted by their notes, every
measure is computed from the same draws, and the interval is their quantiles.

Half a note in each of many strata is many notes: with seven strata an interval for the sensitivity
of a rare class missed it in ten of 100 samples, always on the same side. So strata that say the
same of a class share one prior, each by how many notes one of its texts stands for; one stratum
alone has Jeffreys'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from notemill.statistics import confusion
from notemill.statistics.figure import DRAWS, Figure, from_draws, undefined


@dataclass(frozen=True)
class Stratum:
    """A part of a cohort that has one answer, and the texts of it that were read.

    answer: the model's, None where it has none. notes: of the whole stratum. truths: the right
    value of each text that was read; weights: how many notes have that text. whole: whether all
    texts of the stratum were read. untold: how many notes each text has that was read and whose
    right value nobody could tell; such notes are in no figure, as far as the sample goes.
    """

    answer: str | None
    notes: int
    truths: Sequence[str]
    weights: Sequence[int]
    whole: bool = False
    untold: Sequence[int] = ()

    @property
    def read(self) -> int:
        """Texts that were read and told."""
        return len(self.truths)

    @property
    def unread(self) -> bool:
        """Whether there are notes in it of which nothing is known."""
        return bool(self.notes) and not self.truths and not self.untold

    def share(self, truth: str) -> float:
        """The share of notes read that are of this truth, 0 where none was told."""
        return self._share(self._are(truth), self.weights)

    def draws(self, truth: str, rng: np.random.Generator, prior: float = 1.0) -> np.ndarray:
        """Shares of the stratum's notes that may be of this truth. prior: of Jeffreys', a part."""
        return self._draws(self._are(truth), self.weights, rng, prior)

    @property
    def stands_for(self) -> float:
        """Notes that were not read, for each text that was."""
        weights = [*self.weights, *self.untold]
        if self.whole or not weights:
            return 0.0
        alike = sum(weights) ** 2 / sum(weight**2 for weight in weights)
        return max(self.notes - sum(weights), 0) / alike

    def told(self) -> float:
        """Notes of the stratum that readers can tell, by the share of those read."""
        return self.notes * self._share(*self._tellable())

    def told_draws(self, rng: np.random.Generator, prior: float = 1.0) -> np.ndarray:
        """Notes of the stratum that readers may be able to tell; all where they told each one."""
        if not self.untold:
            return np.full(DRAWS, float(self.notes))
        return self.tellable_draws(rng, prior)

    def tellable_draws(self, rng: np.random.Generator, prior: float = 1.0) -> np.ndarray:
        """As told_draws, and where each one was told there may be some all the same."""
        return self.notes * self._draws(*self._tellable(), rng, prior)

    def _are(self, truth: str) -> list[bool]:
        return [each == truth for each in self.truths]

    def _tellable(self) -> tuple[list[bool], list[int]]:
        flags = [True] * len(self.truths) + [False] * len(self.untold)
        return flags, [*self.weights, *self.untold]

    def _share(self, are: Sequence[bool], weights: Sequence[int]) -> float:
        total = sum(weights)
        return sum(w for w, is_so in zip(weights, are, strict=True) if is_so) / max(total, 1)

    def _draws(
        self, are: Sequence[bool], weights: Sequence[int], rng: np.random.Generator, prior: float
    ) -> np.ndarray:
        """Shares of notes that may be so, by the texts read that are so or not.

        Texts of unlike weights tell less than as many alike: they count as (sum w)^2 / sum w^2.
        What was read is known; the rest of the stratum is drawn, as many texts as it has.
        """
        share = self._share(are, weights)
        total = float(sum(weights))
        rest = self.notes * total / max(sum(self.weights) + sum(self.untold), 1) - total
        if self.whole or not total or rest <= 0:
            return np.full(DRAWS, share)
        squares = float(sum(w * w for w in weights))
        n = total**2 / squares
        chances = rng.beta(share * n + prior / 2, (1 - share) * n + prior / 2, DRAWS)
        texts = max(1, round(rest * total / squares))
        drawn = rng.binomial(texts, chances) / texts
        result: np.ndarray = (total * share + rest * drawn) / (total + rest)
        return result


class CohortFigures(BaseModel):
    """One class in the whole cohort: how often it is right, and how well it was answered."""

    model_config = ConfigDict(frozen=True)

    label: str
    prevalence: Figure
    sensitivity: Figure
    specificity: Figure
    ppv: Figure
    npv: Figure


def cohort_figures(strata: Sequence[Stratum], label: str, *, seed: int = 1) -> CohortFigures:
    """A class's figures in the cohort that the strata make up, over notes.

    A stratum without an answer counts against the model, as `confusion.one_against_rest` has it.
    Figures are undefined where a stratum was not read at all.
    """
    read = sum(each.read for each in strata)
    rng = np.random.default_rng(seed)
    two = _two(strata, label, [(each.share(label), each.told()) for each in strata])[0]
    priors = _priors(strata, [each.answer == label for each in strata])
    tellable = _priors(strata, [True] * len(strata))
    drawn = _two(
        strata,
        label,
        [
            (each.draws(label, rng, prior), each.told_draws(rng, its))
            for each, prior, its in zip(strata, priors, tellable, strict=True)
        ],
    )
    why = _why_not(strata)

    def of(measure: Callable[[np.ndarray], np.ndarray], reason: str) -> Figure:
        value = float(measure(two))
        if why or not np.isfinite(value):
            return undefined(why or reason, read)
        return from_draws(value, measure(drawn), read)

    return CohortFigures(
        label=label,
        prevalence=of(_prevalence, "the cohort is empty"),
        sensitivity=of(confusion.sensitivity, f"no note read is {label}"),
        specificity=of(confusion.specificity, f"every note read is {label}"),
        ppv=of(confusion.ppv, f"no answer is {label}"),
        npv=of(confusion.npv, f"every answer is {label}"),
    )


def cohort_accuracy(strata: Sequence[Stratum], *, seed: int = 1) -> Figure:
    """The share of the cohort's notes whose answer is right; no answer is wrong."""
    read = sum(each.read for each in strata)
    if why := _why_not([each for each in strata if each.answer is not None]):
        return undefined(why, read)
    rng = np.random.default_rng(seed)
    right, notes = 0.0, 0.0
    rights, sizes = np.zeros(DRAWS), np.zeros(DRAWS)
    priors = _priors(strata, [each.answer is not None for each in strata])
    tellable = _priors(strata, [True] * len(strata))
    for each, prior, its in zip(strata, priors, tellable, strict=True):
        told, drawn = (
            (float(each.notes), np.full(DRAWS, float(each.notes)))
            if each.unread
            else (each.told(), each.told_draws(rng, its))
        )
        notes, sizes = notes + told, sizes + drawn
        if each.answer is not None:
            right += told * each.share(each.answer)
            rights += drawn * each.draws(each.answer, rng, prior)
    if not notes:
        return undefined("no note could be told" if sum(e.notes for e in strata) else _EMPTY, read)
    return from_draws(right / notes, rights / np.maximum(sizes, 1e-9), read)


def untold_share(strata: Sequence[Stratum], *, seed: int = 1) -> Figure:
    """The share of the cohort's notes whose right value readers could not tell."""
    read = sum(each.read + len(each.untold) for each in strata)
    notes = sum(each.notes for each in strata)
    if why := _why_not(strata):
        return undefined(why, read)
    rng = np.random.default_rng(seed)
    told = sum(each.told() for each in strata)
    priors = _priors(strata, [True] * len(strata))
    drawn = np.zeros(DRAWS)
    for each, prior in zip(strata, priors, strict=True):
        drawn += each.tellable_draws(rng, prior)
    return from_draws(1 - told / notes, 1 - drawn / notes, read)


_EMPTY = "the cohort is empty"


def _why_not(strata: Sequence[Stratum]) -> str:
    """Why nothing can be said of these strata, empty where it can."""
    if not sum(each.notes for each in strata):
        return _EMPTY
    unread = [each for each in strata if each.unread]
    return f"{len(unread)} strata were not read" if unread else ""


def _priors(strata: Sequence[Stratum], alike: Sequence[bool]) -> list[float]:
    """Each stratum's part of the one prior of those that are alike."""
    parts = [each.stands_for for each in strata]
    sums = {
        kind: sum(part for part, its in zip(parts, alike, strict=True) if its is kind)
        for kind in (True, False)
    }
    return [part / sums[its] if part else 1.0 for part, its in zip(parts, alike, strict=True)]


def _two(
    strata: Sequence[Stratum],
    label: str,
    shares_and_sizes: Sequence[tuple[float | np.ndarray, float | np.ndarray]],
) -> np.ndarray:
    """(draws, 2, 2) notes of the cohort: rows the class and others, columns said and not said."""
    cells: list[list[float | np.ndarray]] = [[0.0, 0.0], [0.0, 0.0]]
    for stratum, (share, size) in zip(strata, shares_and_sizes, strict=True):
        said = stratum.answer == label
        cells[0][0 if said else 1] += share * size
        cells[1][0 if said or stratum.answer is None else 1] += (1 - share) * size
    columns = [np.atleast_1d(np.asarray(cell, float)) for row in cells for cell in row]
    return np.stack(np.broadcast_arrays(*columns), axis=-1).reshape(-1, 2, 2)


def _prevalence(two: np.ndarray) -> np.ndarray:
    total = two.sum((-1, -2))
    result: np.ndarray = np.divide(
        two[..., 0, :].sum(-1), total, out=np.full(total.shape, np.nan), where=total > 0
    )
    return result

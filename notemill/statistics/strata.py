"""Figures of a whole cohort from a sample that was read in strata, each by its weight.

Where a stratum shows no error, a plug-in variance is 0 and an interval by it a lie: a bootstrap
within strata holds the true sensitivity in 44 of 100 samples. So each stratum's share is drawn from
Beta(x + 1/2, n - x + 1/2), Jeffreys' posterior, all strata are weighted by their notes, every
measure is computed from the same draws, and the interval is their quantiles.

Where several strata add up to one count, such as notes of a rare class in all the strata of other
answers, half a note in each would be notes that nobody saw: with eight classes the interval held
the true sensitivity of a rare one in 62 of 100 samples. There the half note lies in that stratum
alone where a text read stands for most notes, where a miss that was not seen would weigh most: the
gamma interval for weighted sums of rare counts (Fay and Feuer, Stat Med 1997;16:791-801) with half
an event in place of one, its mid-P form (Fay and Kim, Biom J 2017;59:549-560).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from notemill.statistics import confusion
from notemill.statistics.figure import DRAWS, Figure, from_draws, undefined

_NOTHING = 1e-9
"""Of a Beta distribution's parameters, which are above 0."""
_MEASURES = ("prevalence", "sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True)
class Stratum:
    """A part of a cohort that has one answer, and the texts of it that were read.

    answer: the model's, None where it has none. notes: of the whole stratum. truths: the right
    value of each text that was read; weights: how many notes have that text. whole: whether all
    texts of the stratum were read. untold: how many notes each text has that was read and whose
    right value nobody could tell; notes like them are in no figure.
    """

    answer: str | None
    notes: int
    truths: Sequence[str]
    weights: Sequence[int]
    whole: bool = False
    untold: Sequence[int] = ()

    @property
    def unread(self) -> float:
        """Notes of which nothing is known."""
        read = sum(self.weights) + sum(self.untold)
        return 0.0 if self.whole else max(0.0, float(self.notes - read))

    @property
    def stands_for(self) -> float:
        """Notes of which nothing is known, for each text that was read; infinite without one."""
        tells = _tells([*self.weights, *self.untold])
        return self.unread / tells if tells else np.inf

    def share(self, truth: str) -> float:
        """The share of notes read and told that are of this truth."""
        return _share(self._are(truth), self.weights)

    def draws(self, truth: str, rng: np.random.Generator, prior: float = 0.5) -> np.ndarray:
        """Shares of the stratum's notes that may be of this truth.

        prior: texts of this truth, and as many of another, that are added to those read.
        """
        unread = 0.0 if self.whole else self.told - sum(self.weights)
        return _draws(self._are(truth), self.weights, unread, rng, prior)

    @property
    def told(self) -> float:
        """Notes of the stratum that readers can tell, by the share of those read."""
        return self.notes * _share(*self._tellable())

    def told_draws(self, rng: np.random.Generator, prior: float = 0.5) -> np.ndarray:
        """Notes of the stratum that readers may be able to tell."""
        return self.notes * _draws(*self._tellable(), self.unread, rng, prior)

    def sizes(self, rng: np.random.Generator, prior: float = 0.5) -> np.ndarray:
        """As told_draws, but all of its notes where each one that was read could be told."""
        if not self.untold:
            return np.full(DRAWS, float(self.notes))
        return self.told_draws(rng, prior)

    def _are(self, truth: str) -> list[bool]:
        return [each == truth for each in self.truths]

    def _tellable(self) -> tuple[list[bool], list[int]]:
        flags = [True] * len(self.truths) + [False] * len(self.untold)
        return flags, [*self.weights, *self.untold]


def _tells(weights: Sequence[int]) -> float:
    """How many texts of alike weights tell as much: (sum w)^2 / sum w^2 (Kish)."""
    squares = sum(weight**2 for weight in weights)
    return sum(weights) ** 2 / squares if squares else 0.0


def _share(are: Sequence[bool], weights: Sequence[int]) -> float:
    """Share of the weights of texts that are so, 0 without a text."""
    those = sum(weight for weight, so in zip(weights, are, strict=True) if so)
    return those / sum(weights) if weights else 0.0


def _draws(
    are: Sequence[bool],
    weights: Sequence[int],
    unread: float,
    rng: np.random.Generator,
    prior: float,
) -> np.ndarray:
    """Shares of notes that may be so, by the texts read that are so or not.

    What was read is known. The rest is drawn as so many more texts of that share, so that a stratum
    read by half has half a sample's variance, not a quarter.
    """
    share, n, read = _share(are, weights), _tells(weights), sum(weights)
    if not n or unread <= 0:
        return np.full(DRAWS, share)
    added = max(prior, _NOTHING)
    drawn = rng.beta(share * n + added, (1 - share) * n + added, DRAWS)
    texts = max(1, round(unread * n / read))
    rest = rng.binomial(texts, drawn) / texts
    result: np.ndarray = (read * share + unread * rest) / (read + unread)
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
    """A class's figures in the cohort that the strata make up, over notes that can be told.

    A stratum without an answer counts against the model, as `confusion.against_rest` has it.
    Figures are undefined where a stratum was not read at all.
    """
    read = sum(len(each.truths) for each in strata)
    rng = np.random.default_rng(seed)
    there = [each for each in strata if each.notes]
    why = _why_not(there)
    two = _two([(each.share(label), each.told) for each in there], there, label)
    priors = _priors(there, [each.answer == label for each in there])
    tellable = _priors(there, [True] * len(there))
    drawn = [
        (each.draws(label, rng, prior), each.sizes(rng, its))
        for each, prior, its in zip(there, priors, tellable, strict=True)
    ]
    draws = _two(drawn, there, label)

    def of(measure: Callable[[np.ndarray], np.ndarray], reason: str) -> Figure:
        value = float(measure(two)[0])
        if why or not np.isfinite(value):
            return undefined(why or reason, read)
        return from_draws(value, measure(draws), read)

    return CohortFigures(
        label=label,
        prevalence=of(_prevalence, _UNTOLD),
        sensitivity=of(confusion.sensitivity, f"no note read is {label}"),
        specificity=of(confusion.specificity, f"every note read is {label}"),
        ppv=of(confusion.ppv, f"no answer is {label}"),
        npv=of(confusion.npv, f"every answer is {label}"),
    )


def cohort_accuracy(strata: Sequence[Stratum], *, seed: int = 1) -> Figure:
    """The share of the cohort's notes whose answer is right; no answer is wrong."""
    read = sum(len(each.truths) for each in strata)
    rng = np.random.default_rng(seed)
    there = [each for each in strata if each.notes]
    answered = [each for each in there if each.answer is not None]
    if why := _why_not(answered) if answered or not there else "":
        return undefined(why, read)
    priors = _priors(answered, [True] * len(answered))
    tellable = _priors(there, [True] * len(there))
    # What has no answer is wrong without being read.
    told = sum(each.told if each.weights or each.untold else each.notes for each in there)
    sizes = {id(each): each.sizes(rng, its) for each, its in zip(there, tellable, strict=True)}
    right, rights = 0.0, np.zeros(DRAWS)
    for each, prior in zip(answered, priors, strict=True):
        answer = each.answer or ""
        right += each.told * each.share(answer)
        rights += sizes[id(each)] * each.draws(answer, rng, prior)
    if not told:
        return undefined(_UNTOLD, read)
    notes = np.maximum(sum(sizes.values(), np.zeros(DRAWS)), _NOTHING)
    return from_draws(right / told, rights / notes, read)


def untold_share(strata: Sequence[Stratum], *, seed: int = 1) -> Figure:
    """The share of the cohort's notes whose right value readers could not tell."""
    read = sum(len(each.truths) + len(each.untold) for each in strata)
    there = [each for each in strata if each.notes]
    if why := _why_not(there):
        return undefined(why, read)
    rng = np.random.default_rng(seed)
    notes = sum(each.notes for each in there)
    told = sum(each.told for each in there)
    draws = np.zeros(DRAWS)
    for each, prior in zip(there, _priors(there, [True] * len(there)), strict=True):
        draws += each.told_draws(rng, prior)
    return from_draws(1 - told / notes, 1 - draws / notes, read)


_UNTOLD = "no note that was read could be told"


def _why_not(strata: Sequence[Stratum]) -> str:
    """Why nothing can be said of these strata, empty where it can."""
    if not strata:
        return "the cohort is empty"
    unread = [each for each in strata if not each.truths and not each.untold]
    return f"{len(unread)} strata were not read" if unread else ""


def _priors(strata: Sequence[Stratum], said: Sequence[bool]) -> list[float]:
    """What is added to each stratum: 1/2 for all that are said and 1/2 for all that are not.

    It lies where a text read stands for most notes, or in equal parts where several do.
    """
    stands_for = np.array([each.stands_for for each in strata])
    groups = np.array(said, bool)
    priors = np.zeros(len(strata))
    for group in (groups, ~groups):
        if group.any():
            most = group & (stands_for == stands_for[group].max())
            priors[most] = 0.5 / most.sum()
    return priors.tolist()


def _two(
    shares_and_sizes: Sequence[tuple[float | np.ndarray, float | np.ndarray]],
    strata: Sequence[Stratum],
    label: str,
) -> np.ndarray:
    """(draws, 2, 2) notes of the cohort: rows the class and others, columns said and not said."""
    cells: list[float | np.ndarray] = [0.0, 0.0, 0.0, 0.0]
    for (share, size), stratum in zip(shares_and_sizes, strata, strict=True):
        said = stratum.answer == label
        cells[0 if said else 1] += share * size
        cells[2 if said or stratum.answer is None else 3] += (1 - share) * size
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(cell, float)) for cell in cells))
    return np.stack(columns, axis=-1).reshape(-1, 2, 2)


def _prevalence(two: np.ndarray) -> np.ndarray:
    total = two.sum((-1, -2))
    nothing = np.full(total.shape, np.nan)
    result: np.ndarray = np.divide(two[..., 0, :].sum(-1), total, out=nothing, where=total > 0)
    return result

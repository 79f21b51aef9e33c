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

from collections.abc import Sequence
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
    texts of the stratum were read.
    """

    answer: str | None
    notes: int
    truths: Sequence[str]
    weights: Sequence[int]
    whole: bool = False

    def share(self, truth: str) -> float:
        """The share of notes read that are of this truth."""
        weights = np.asarray(self.weights, float)
        return float(weights[[each == truth for each in self.truths]].sum() / weights.sum())

    @property
    def tells(self) -> float:
        """How many texts of alike weights tell as much: (sum w)^2 / sum w^2 (Kish)."""
        weights = np.asarray(self.weights, float)
        return float(weights.sum() ** 2 / (weights**2).sum())

    @property
    def unread(self) -> float:
        """Notes of which nothing is known."""
        return 0.0 if self.whole else max(0.0, self.notes - float(sum(self.weights)))

    def draws(self, truth: str, rng: np.random.Generator, prior: float = 0.5) -> np.ndarray:
        """Shares of the stratum's notes that may be of this truth.

        prior: texts of this truth, and as many of another, that are added to those read.
        What was read is known. The rest of the stratum is drawn as so many more texts of that
        share, so that a stratum read by half has half a sample's variance, not a quarter.
        """
        share, n = self.share(truth), self.tells
        if not self.unread:
            return np.full(DRAWS, share)
        added = max(prior, _NOTHING)
        drawn = rng.beta(share * n + added, (1 - share) * n + added, DRAWS)
        read = self.notes - self.unread
        texts = max(1, round(self.unread * n / read))
        unread = rng.binomial(texts, drawn) / texts
        result: np.ndarray = (read * share + self.unread * unread) / self.notes
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
    read = sum(len(each.truths) for each in strata)
    if unread := [each for each in strata if each.notes and not each.truths]:
        why = f"{len(unread)} strata were not read"
        nothing = dict.fromkeys(_MEASURES, undefined(why, read))
        return CohortFigures(label=label, **nothing)
    rng = np.random.default_rng(seed)
    there = [each for each in strata if each.notes]
    two = _two([np.array([each.share(label)]) for each in there], there, label)
    priors = _priors(there, [each.answer == label for each in there])
    drawn = [each.draws(label, rng, prior) for each, prior in zip(there, priors, strict=True)]
    draws = _two(drawn, there, label)

    def of(values: np.ndarray, drawn: np.ndarray, why: str) -> Figure:
        value = float(values[0])
        return from_draws(value, drawn, read) if np.isfinite(value) else undefined(why, read)

    said, unsaid = f"no answer is {label}", f"every answer is {label}"
    return CohortFigures(
        label=label,
        prevalence=of(_prevalence(two), _prevalence(draws), "the cohort is empty"),
        sensitivity=of(
            confusion.sensitivity(two), confusion.sensitivity(draws), f"no note read is {label}"
        ),
        specificity=of(
            confusion.specificity(two), confusion.specificity(draws), f"every note read is {label}"
        ),
        ppv=of(confusion.ppv(two), confusion.ppv(draws), said),
        npv=of(confusion.npv(two), confusion.npv(draws), unsaid),
    )


def cohort_accuracy(strata: Sequence[Stratum], *, seed: int = 1) -> Figure:
    """The share of the cohort's notes whose answer is right; no answer is wrong."""
    read = sum(len(each.truths) for each in strata)
    if unread := [each for each in strata if each.notes and each.answer and not each.truths]:
        return undefined(f"{len(unread)} strata were not read", read)
    rng = np.random.default_rng(seed)
    notes = sum(each.notes for each in strata)
    answered = [each for each in strata if each.notes and each.answer is not None]
    priors = _priors(answered, [True] * len(answered))
    value, draws = 0.0, np.zeros(DRAWS)
    for each, prior in zip(answered, priors, strict=True):
        right = each.answer or ""
        value += each.notes / notes * each.share(right)
        draws += each.notes / notes * each.draws(right, rng, prior)
    return from_draws(value, draws, read) if notes else undefined("the cohort is empty")


def _priors(strata: Sequence[Stratum], said: Sequence[bool]) -> list[float]:
    """What is added to each stratum: 1/2 for all that are said and 1/2 for all that are not.

    It lies where a text read stands for most notes, or in equal parts where several do.
    """
    stands_for = np.array([each.unread / each.tells for each in strata])
    groups = np.array(said, bool)
    priors = np.zeros(len(strata))
    for group in (groups, ~groups):
        if group.any():
            most = group & (stands_for == stands_for[group].max())
            priors[most] = 0.5 / most.sum()
    return priors.tolist()


def _two(shares: Sequence[np.ndarray], strata: Sequence[Stratum], label: str) -> np.ndarray:
    """(draws, 2, 2) notes of the cohort: rows the class and others, columns said and not said."""
    two = np.zeros((len(shares[0]), 2, 2))
    for share, stratum in zip(shares, strata, strict=True):
        right = share * stratum.notes
        said = stratum.answer == label
        two[:, 0, 0 if said else 1] += right
        two[:, 1, 0 if said or stratum.answer is None else 1] += stratum.notes - right
    return two


def _prevalence(two: np.ndarray) -> np.ndarray:
    result: np.ndarray = two[..., 0, :].sum(-1) / two.sum((-1, -2))
    return result

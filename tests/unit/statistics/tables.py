"""Populations of right values and answers, and samples of them."""

import numpy as np


def population(
    classes: int, prevalence: float, first_right: float, others_right: float, failing: float = 0.0
) -> np.ndarray:
    """(classes, classes + 1) shares of notes; prevalence: of the first class, whose notes are
    answered right `first_right` of the time; failing: notes without an answer."""
    table = np.zeros((classes, classes + 1))
    for which in range(classes):
        right = others_right if which else first_right
        table[which, :classes] = (1 - right) / (classes - 1)
        table[which, which] = right
    table[:, :classes] *= 1 - failing
    table[:, classes] = failing
    shares = np.array([prevalence, *[(1 - prevalence) / (classes - 1)] * (classes - 1)])
    return table * shares[:, None]


def samples(table: np.ndarray, notes: int, times: int, seed: int = 1) -> np.ndarray:
    """(times, *table.shape) tables of so many independent notes."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(notes, table.reshape(-1) / table.sum(), size=times)
    return drawn.reshape(times, *table.shape)


def patients(
    rng: np.random.Generator, number: int, notes: int, right: float, alike: float
) -> tuple[np.ndarray, np.ndarray]:
    """(patients,) right answers and notes of each; alike: the correlation between notes of one."""
    own = rng.beta(right * (1 / alike - 1), (1 - right) * (1 / alike - 1), size=number)
    sizes = np.full(number, notes)
    return rng.binomial(sizes, own), sizes


def held(intervals: np.ndarray, truth: float) -> tuple[float, float, float]:
    """The shares of intervals (times, 2) that hold the truth, lie below it, and lie above it."""
    below, above = (intervals[:, 1] < truth).mean(), (intervals[:, 0] > truth).mean()
    return float(1 - below - above), float(below), float(above)

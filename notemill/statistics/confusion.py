"""What a table of right values against answers comes to.

A table has a row a right value and a column an answer, in the same order, and a last column for
notes without one; or many such tables, (..., classes, classes + 1). Two ways to count the last
column: left out ("answered"), or every such note as wrong, whatever is asked of it ("all"): it is
missed where its class is looked for and a false alarm where it is not. All functions here are of
shares or counts alike, and give NaN where a measure is not defined.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np


class Counting(StrEnum):
    """What notes without an answer count as."""

    ANSWERED = "answered"
    ALL = "all"


def counted(table: np.ndarray, counting: Counting) -> np.ndarray:
    """The tables as they are counted: without their last column, or with it."""
    if counting is Counting.ANSWERED:
        return np.concatenate([table[..., :-1], np.zeros_like(table[..., -1:])], axis=-1)
    return table


def agreement(table: np.ndarray) -> np.ndarray:
    """The share of notes whose answer is the right value: the accuracy."""
    return _ratio(_trace(table), table.sum((-1, -2)))


def kappa(table: np.ndarray) -> np.ndarray:
    """Cohen's kappa; no answer is a category of its own, which no right value has."""
    total = table.sum((-1, -2))
    rows, columns = table.sum(-1), table.sum(-2)[..., :-1]
    expected = _ratio((rows * columns).sum(-1), total**2)
    observed = agreement(table)
    return _ratio(observed - expected, 1 - expected)


def ac1(table: np.ndarray) -> np.ndarray:
    """Gwet's AC1, over the classes and no answer where a note has none."""
    total = table.sum((-1, -2))
    rows = np.concatenate([table.sum(-1), np.zeros_like(total)[..., None]], axis=-1)
    mean = _ratio(rows + table.sum(-2), 2 * total[..., None])
    categories = table.shape[-2] + (table[..., -1].sum(-1) > 0)
    expected = _ratio((mean * (1 - mean)).sum(-1), categories - 1)
    return _ratio(agreement(table) - expected, 1 - expected)


def macro_f1(table: np.ndarray) -> np.ndarray:
    """Mean F1 of the classes that have a right value or an answer."""
    scores = np.stack([f1(one_against_rest(table, each)) for each in range(table.shape[-2])], -1)
    known = np.isfinite(scores)
    return _ratio(np.where(known, scores, 0.0).sum(-1), known.sum(-1))


def one_against_rest(table: np.ndarray, which: int) -> np.ndarray:
    """(..., 2, 2): rows the class and all others, columns said and not said.

    A note without an answer is not said where the class is right, and said where it is not.
    """
    right = table[..., which, :]
    others = table.sum(-2) - right
    hits = right[..., which]
    alarms = others[..., which] + others[..., -1]
    missed = right.sum(-1) - hits
    passed = others.sum(-1) - alarms
    return np.stack([np.stack([hits, missed], -1), np.stack([alarms, passed], -1)], -2)


def sensitivity(two: np.ndarray) -> np.ndarray:
    return _ratio(two[..., 0, 0], two[..., 0, :].sum(-1))


def specificity(two: np.ndarray) -> np.ndarray:
    return _ratio(two[..., 1, 1], two[..., 1, :].sum(-1))


def ppv(two: np.ndarray) -> np.ndarray:
    return _ratio(two[..., 0, 0], two[..., :, 0].sum(-1))


def npv(two: np.ndarray) -> np.ndarray:
    return _ratio(two[..., 1, 1], two[..., :, 1].sum(-1))


def f1(two: np.ndarray) -> np.ndarray:
    hits = 2 * two[..., 0, 0]
    return _ratio(hits, hits + two[..., 0, 1] + two[..., 1, 0])


def _trace(table: np.ndarray) -> np.ndarray:
    trace: np.ndarray = np.trace(table[..., :-1], axis1=-2, axis2=-1)
    return trace


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """over / under, NaN where under is 0."""
    over, under = np.broadcast_arrays(np.asarray(over, float), np.asarray(under, float))
    ratio: np.ndarray = np.divide(over, under, out=np.full(over.shape, np.nan), where=under != 0)
    return ratio

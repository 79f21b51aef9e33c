"""What a table of right values against answers comes to.

A table has a row a right value and a column an answer, in the same order, and a last column for
notes without one; or many such tables, (..., classes, classes + 1). Two ways to count the last
column: left out ("answered"), or every such note as wrong ("all"): never right nor agreed on, and
for one class against the rest what is worst for it (`against_rest`, `f1`). All functions here
are of shares or counts alike, and give NaN where a measure is not defined.
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
    return ratio(right(table), table.sum((-1, -2)))


def kappa(table: np.ndarray) -> np.ndarray:
    """Cohen's kappa; no answer is a category of its own, which no right value has.

    NaN where all right values and all answers are of one class: nothing is left to agree on.
    """
    total = table.sum((-1, -2))
    rows, columns = table.sum(-1), table.sum(-2)[..., :-1]
    expected = ratio((rows * columns).sum(-1), total**2)
    observed = agreement(table)
    return ratio(observed - expected, 1 - expected)


def ac1(table: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
    """Gwet's AC1 over the classes that have a right value or an answer, two at least.

    of: (classes,), those that are counted, as in `macro_f1`. What chance would agree on is told by
    the right values of all notes and the answers of those that have one (Gwet's way with missing
    ratings, Handbook of Inter-Rater Reliability); a note without an answer never agrees. Were no
    answer a category, a single failure would lower what chance agrees on by half, and AC1 would
    rise by it; so would it by a class that nobody uses.
    """
    total, answered = table.sum((-1, -2)), table[..., :-1].sum((-1, -2))
    rows = ratio(table.sum(-1), total[..., None])
    columns = ratio(table.sum(-2)[..., :-1], answered[..., None])
    mean = np.where(answered[..., None] > 0, (rows + columns) / 2, rows)
    seen = (mean > 0).sum(-1) if of is None else np.count_nonzero(of)
    classes = np.clip(seen, min(2, table.shape[-2]), None)
    expected = ratio((mean * (1 - mean)).sum(-1), np.asarray(classes - 1))
    return ratio(agreement(table) - expected, 1 - expected)


def macro_f1(table: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
    """Mean F1 of the classes that have a right value or an answer.

    of: (classes,), those that are averaged at most; all if it is not given.
    """
    scores = f1(table)
    known = np.isfinite(scores) & (True if of is None else of)
    return ratio(np.where(known, scores, 0.0).sum(-1), known.sum(-1))


def f1(table: np.ndarray) -> np.ndarray:
    """(..., classes): F1. A note without an answer is missed in its own class and said of none.

    So scikit-learn counts an answer that is no class. Were it an alarm of every other class too,
    as in `against_rest`, one failure would be an error of each of them.
    """
    hits, others = hits_and_others(table)
    return ratio(2 * hits, 2 * hits + others)


def hits_and_others(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What F1 is made of, each (..., classes): notes of a class that are said to be, and notes
    that only are or only are said to be."""
    hits = _hits(table)
    return hits, table.sum(-1) + table[..., :-1].sum(-2) - 2 * hits


def against_rest(table: np.ndarray) -> np.ndarray:
    """(..., classes, 2, 2): rows a class and all others, columns said and not said.

    A note without an answer is not said where the class is right, and said where it is not: the
    worst that it could be for the class (Schuetz et al., "intention to diagnose", BMJ
    2012;345:e6717). So sensitivity, specificity, PPV and NPV are the lowest that the failures
    allow. With more than two classes that is so for each alone: not for all of them at once.
    """
    hits, rows, columns = _hits(table), table.sum(-1), table.sum(-2)
    failed = table[..., -1]
    alarms = columns[..., :-1] - hits + columns[..., -1:] - failed
    passed = table.sum((-1, -2))[..., None] - rows - alarms
    return np.stack([np.stack([hits, rows - hits], -1), np.stack([alarms, passed], -1)], -2)


def sensitivity(two: np.ndarray) -> np.ndarray:
    return ratio(two[..., 0, 0], two[..., 0, :].sum(-1))


def specificity(two: np.ndarray) -> np.ndarray:
    return ratio(two[..., 1, 1], two[..., 1, :].sum(-1))


def ppv(two: np.ndarray) -> np.ndarray:
    return ratio(two[..., 0, 0], two[..., :, 0].sum(-1))


def npv(two: np.ndarray) -> np.ndarray:
    return ratio(two[..., 1, 1], two[..., :, 1].sum(-1))


def right(table: np.ndarray) -> np.ndarray:
    """What has the right answer."""
    hits: np.ndarray = _hits(table).sum(-1)
    return hits


def _hits(table: np.ndarray) -> np.ndarray:
    if table.shape[-1] != table.shape[-2] + 1:
        raise ValueError(
            f"a table of shape {table.shape} has no column for notes without an answer"
        )
    hits: np.ndarray = np.diagonal(table[..., :-1], axis1=-2, axis2=-1)
    return hits


def ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """over / under, NaN where under is 0."""
    over, under = np.broadcast_arrays(np.asarray(over, float), np.asarray(under, float))
    ratio: np.ndarray = np.divide(over, under, out=np.full(over.shape, np.nan), where=under != 0)
    return ratio

"""Notes to measure with: as long as radiology reports, or with the long tail of all reports."""

from __future__ import annotations

import csv
import gzip
import os
import random
from pathlib import Path

from models.notes import draw

VARIABLE = "NOTEMILL_BENCH_NOTES"
"""A CSV of notes (.csv or .csv.gz) with a column `transcription` or `text`, for the long tail."""
_RADIOLOGY = 1000
_MEDIAN, _SIGMA, _LONGEST = 2667, 0.571, 18_425
"""Characters of MTSamples' reports: median, 90th percentile 5,543 (so the sigma), longest."""


def radiology(count: int) -> list[str]:
    """Distinct synthetic reports of about 1,000 characters, a question's answer in each."""
    return _of_lengths([_RADIOLOGY] * count)


def short(count: int) -> list[str]:
    """Distinct synthetic reports as the shipped model knows them, 1,000 characters at most."""
    kept = (note.text for note in draw(2 * count, seed=11) if len(note.text) <= _RADIOLOGY)
    return list(dict.fromkeys(kept))[:count]


def long_tail(count: int) -> list[str]:
    """Distinct notes of very different lengths: MTSamples' where named, else as long as those."""
    if place := os.environ.get(VARIABLE):
        texts = _from_csv(Path(place))
        random.Random(3).shuffle(texts)
        return (texts * (count // len(texts) + 1))[:count]
    chance = random.Random(3)
    lengths = [min(int(_MEDIAN * chance.lognormvariate(0, _SIGMA)), _LONGEST) for _ in range(count)]
    lengths[count // 2] = _LONGEST  # what sizes the slots
    return _of_lengths(lengths)


def _of_lengths(lengths: list[int]) -> list[str]:
    pool = iter(draw(sum(lengths) // 150 + len(lengths) * 2, seed=11))
    texts = []
    for number, length in enumerate(lengths):
        text = f"Report {number}."
        while len(text) < length:
            text += f"\n{next(pool).text}"
        texts.append(text[: max(length, 20)])
    return texts


def _from_csv(place: Path) -> list[str]:
    csv.field_size_limit(1 << 26)
    opened = gzip.open if place.suffix == ".gz" else open
    with opened(place, "rt", newline="") as file:
        rows = csv.DictReader(file)
        column = "transcription" if "transcription" in (rows.fieldnames or []) else "text"
        return list(dict.fromkeys(row[column] for row in rows if row[column].strip()))


NOTES = {"short": short, "radiology": radiology, "long tail": long_tail}

"""Where an axis has its ticks, and a timeline as points; for every picture of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from notemill.status.report import Timeline

_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_DAY_S = 86400


def speeds(time: Timeline, last: float) -> Iterator[tuple[float, float, float]]:
    """Spans with their texts a second; the last one may not be over."""
    for number, (start, texts) in enumerate(time.texts, 1):
        end: float = start + time.width_s
        if number == len(time.texts) and number > 1:
            end = min(end, last)
            if end - start < time.width_s / 2:  # too short to tell
                continue
        yield start, end, texts / (end - start)


def outline(spans: Sequence[tuple[float, float, float]]) -> Iterator[tuple[float, float]]:
    """The upper edge over all spans, down to 0 where there are none."""
    until: float | None = None
    for start, end, speed in spans:
        if until is None:
            yield start, 0.0
        elif until < start:
            yield until, 0.0
        yield start, speed
        until = end
    if until is not None:
        yield until, 0.0


def nice(least: float) -> float:
    """The next of 1, 2, 5, 10, 20 ..., or of their tenths."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * 0.999)


def rounded_up(most: float, ticks: int) -> float:
    """The end of an axis from 0 to at least `most`, on a step of about so many."""
    step = nice(most / ticks)
    return math.ceil(most / step) * step


def times(since: float, until: float, most: int) -> Iterator[tuple[float, str]]:
    """About so many times for an axis, each with its label."""
    least = (until - since) / most
    step = next((step for step in _STEPS_S if step >= least), 0)
    if not step:
        step = math.ceil(least / _DAY_S) * _DAY_S
    form = "%H:%M:%S" if step < 60 else "%H:%M"
    if step >= _DAY_S:
        form = "%d %b"
    elif until - since > _DAY_S:
        form = "%d %b %H:%M"
    at = math.ceil(since / step) * step
    while at <= until:
        yield at, datetime.fromtimestamp(at, UTC).strftime(form)
        at += step

"""Counts, times and speeds in a pilot's words."""

from __future__ import annotations

import math

from notemill.pilot.estimate import Range


def many(count: int) -> str:
    return f"{count:,}"


def some(count: int, of: str) -> str:
    return f"{count:,} {of}{'' if count == 1 else 's'}"


_UNITS = (("s", 1, 120), ("min", 60, 120), ("h", 3600, 72), ("days", 86400, math.inf))
"""Name, seconds, and how many are better told in the next one."""


def _unit(seconds: float, longest: str) -> tuple[str, int]:
    for name, length, most in _UNITS:
        if seconds < most * length or name == longest:
            return name, length
    raise AssertionError


def duration(seconds: float, *, longest: str = "days") -> str:
    """In the unit that fits, to three figures; in none above `longest`."""
    name, length = _unit(seconds, longest)
    return f"{_figures(seconds / length)} {name}"


def span(of: Range, factor: float = 1, *, longest: str = "days") -> str:
    """The range's ends in one unit."""
    name, length = _unit(of.high * factor, longest)
    low, high = (_figures(end * factor / length) for end in (of.low, of.high))
    return f"{low} to {high} {name}"


def speed(per_s: float) -> str:
    """Three figures, those of a round number too."""
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:#.3g}".rstrip(".")


def _figures(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

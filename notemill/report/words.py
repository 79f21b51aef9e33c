"""Counts, figures and names as a sentence has them."""

from __future__ import annotations

from collections.abc import Sequence

from notemill.report.count import Count
from notemill.statistics.figure import Figure


def told(count: Count) -> str:
    """A count in words; empty where it is not told at all."""
    if count.exact:
        return f"{count.low:,}"
    if count.low == 1:
        return f"fewer than {count.high + 1}"
    return f"{count.low:,} to {count.high:,}" if count.low else ""


def listed(words: Sequence[str]) -> str:
    """One, two and three."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def figure(of: Figure) -> str:
    """A figure with its interval."""
    if of.value is None:
        return of.why.partition(":")[0] if of.why.startswith(("between", "at least")) else ""
    if of.low is None or of.high is None:
        return f"{of.value:.3f}"
    return f"{of.value:.3f} (95 % interval {of.low:.3f} to {of.high:.3f})"


def day(time: str | None) -> str:
    """The day of a time in ISO 8601."""
    return (time or "")[:10]


def days(first: str | None, last: str | None) -> str:
    """From one day to another, or that day."""
    begin, end = day(first), day(last)
    return f"on {begin}" if begin == end else f"from {begin} to {end}"

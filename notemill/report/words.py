"""Counts, figures and names as a sentence has them."""

from __future__ import annotations

from notemill.report.count import Count
from notemill.report.numbers import decimal, places
from notemill.statistics.figure import Figure


def told(count: Count) -> str:
    """A count in words; empty where it is not told at all."""
    if count.exact:
        return f"{count.low:,}"
    if count.low == 1:
        return f"fewer than {count.high + 1}"
    return f"{count.low:,} to {count.high:,}" if count.low else ""


def figure(of: Figure) -> str:
    """A figure with its interval."""
    if of.value is None:
        return ""
    value, low, high = (
        "" if each is None else decimal(each, places(of.n)) for each in (of.value, of.low, of.high)
    )
    return f"{value} (95 % interval {low} to {high})" if low and high else value


def day(time: str | None) -> str:
    """The day of a time in ISO 8601."""
    return (time or "")[:10]


def days(first: str | None, last: str | None) -> str:
    """From one day to another, or that day."""
    begin, end = day(first), day(last)
    return f"on {begin}" if begin == end else f"from {begin} to {end}"

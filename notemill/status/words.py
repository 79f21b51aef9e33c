"""Numbers, times and names of shards as a user reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def lasting(seconds: float) -> str:
    """A time in its two largest units: `40 s`, `14 min`, `2 h 05 min`, `3 d 4 h`."""
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02d} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"


def rate(per_s: float) -> str:
    """A speed with the digits that mean something."""
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.1f}" if per_s >= 1 else f"{per_s:.2f}"


def hours(value: float) -> str:
    """GPU hours with the digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Counts by reason added up, the most frequent first."""
    sums: Counter[str] = Counter()
    for each in counts:
        sums.update(each)
    return dict(sums.most_common())


def by_reason(counts: dict[str, int]) -> str:
    """`schema 10, timeout 2`."""
    return ", ".join(f"{status} {count:,}" for status, count in counts.items())


def ranges(names: Sequence[str]) -> str:
    """Shards' names in short: `0000-0003, 0007`."""
    parts: list[list[str]] = []
    for name in names:
        if parts and _follows(parts[-1][-1], name):
            parts[-1].append(name)
        else:
            parts.append([name])
    return ", ".join(part[0] if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def _follows(before: str, name: str) -> bool:
    return before.isdecimal() and name.isdecimal() and int(name) == int(before) + 1


def printable(words: str) -> str:
    """Words in one line without what a terminal would take for an order."""
    return "".join(letter if letter.isprintable() else " " for letter in words)

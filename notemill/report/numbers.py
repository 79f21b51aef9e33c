"""Numbers as they are printed: separators, percent, intervals; a dash where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from notemill.statistics.figure import Figure

DASH = "–"
_MINUS = "\u2212"
_FEW = 100
"""Fewer than so many tell no tenth of a percent."""
_MANY = 1_000
"""Fewer than so many tell no third decimal of a figure."""


def count(number: float) -> str:
    """A number of things, 12,345; large ones that are no whole numbers are rounded."""
    if number != int(number) and abs(number) < 10:
        return decimal(number, 1)
    return f"{round(number):,}".replace("-", _MINUS)


def decimal(number: float, places: int, *, signed: bool = False) -> str:
    """A number with so many decimals; no minus for what is rounded to 0."""
    rounded = round(number, places) + 0.0
    sign = _MINUS if rounded < 0 else "+" if signed and rounded > 0 else ""
    return f"{sign}{abs(rounded):,.{places}f}"


def significant(number: float, digits: int = 3) -> str:
    """A measured number with so many digits that tell something: 0.0123, 1.23, 123, 12,345."""
    if number == 0 or not math.isfinite(number):
        return "0" if number == 0 else DASH
    places = digits - 1 - math.floor(math.log10(abs(number)))
    return decimal(number, min(max(places, 0), 6))


def percent(share: float, n: float) -> str:
    """A share of n as percent, with one decimal where n allows; nothing is rounded to 0 or 100."""
    places = 1 if n >= _FEW else 0
    least = 10.0**-places
    value = share * 100
    if value in (0, 100):
        return f"{value:g}%"
    if 0 < value < least / 2:
        return f"<{least:g}%"
    if 100 - least / 2 < value < 100:
        return f">{100 - least:g}%"
    return f"{decimal(value, places)}%"


def share(k: float, n: float) -> str:
    """k of n as percent; a dash where there is nothing to have a share of."""
    return percent(k / n, n) if n else DASH


def places(n: float) -> int:
    """Decimals of a figure that was counted over n."""
    return 3 if n >= _MANY else 2


def figure(told: Figure, *, signed: bool = False) -> str:
    """A figure with its interval: 0.912 (0.881 to 0.935)."""
    if told.value is None:
        return DASH
    value = decimal(told.value, places(told.n), signed=signed)
    if told.low is None or told.high is None:
        return f"{value} ({DASH})"
    low, high = (decimal(each, places(told.n), signed=signed) for each in (told.low, told.high))
    return f"{value} ({low} to {high})"


def p_value(p: float | None) -> str:
    """As journals have it: 0.012, 0.43, <0.001."""
    if p is None:
        return DASH
    if p < 0.001:
        return "<0.001"
    return decimal(p, 3 if p < 0.1 else 2)


def hours(number: float) -> str:
    """A length of time in what it is best told: 3.42 hours, 12 minutes, 40 seconds."""
    if number >= 1:
        return f"{significant(number)} hours"
    if number * 60 >= 1:
        return f"{significant(number * 60, 2)} minutes"
    return f"{significant(number * 3600, 2)} seconds"


def capital(sentence: str) -> str:
    """A sentence with a large first letter."""
    return sentence[:1].upper() + sentence[1:]


def listed(words: Sequence[str], most: int | None = None) -> str:
    """Words as a sentence has them: a, b and c; no more than `most` of them, if that is said."""
    if most is not None and len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most:,} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


@dataclass(frozen=True)
class Scale:
    """An axis from low to high as percent of a plot's width, and where its ticks stand."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Percent of the width, kept within the plot."""
        share = (value - self.low) / (self.high - self.low)
        return round(min(max(share, 0.0), 1.0) * 100, 2)

    @property
    def decimals(self) -> int:
        """As many as tell every tick."""
        return next(
            (
                places
                for places in range(7)
                if all(abs(round(tick, places) - tick) < 1e-9 for tick in self.ticks)
            ),
            7,
        )

    def label(self, tick: float) -> str:
        """The tick in words."""
        return decimal(tick, self.decimals)


def scale(
    low: float,
    high: float,
    *,
    ticks: int = 4,
    least: float = -math.inf,
    most: float = math.inf,
) -> Scale:
    """An axis over these values that begins and ends on nice numbers, within least and most."""
    if high - low < 1e-9:
        low, high = low - 0.05 * (abs(low) or 1), high + 0.05 * (abs(high) or 1)
    step = _nice((high - low) / ticks)
    first = max(math.floor(low / step + 1e-9) * step, least)
    last = min(math.ceil(high / step - 1e-9) * step, most)
    number = max(round((last - first) / step), 1)
    return Scale(first, last, tuple(first + step * each for each in range(number + 1)))


def _nice(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= least * 0.999)


def moment(second: float) -> str:
    """A second of the epoch, in UTC."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


def when(at: str | None) -> str:
    """A time of a record, in UTC and to the minute; what is none as it is."""
    if not at:
        return DASH
    try:
        time = datetime.fromisoformat(at)
    except ValueError:
        return at
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M")

"""Values over time or over a range, as wide as the page; lines and letters keep their size."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from notemill.report.numbers import Scale, count, scale
from notemill.status.axis import times

_HEIGHT = 140
_WIDE = 1000
"""Units of a path's own width, which is stretched to the plot's."""
_TICKS = 4


def over_time(
    title: str,
    desc: str,
    points: Sequence[tuple[float, float]],
    *,
    since: float,
    until: float,
    most: float,
    kind: str = "first",
    whole: bool = False,
) -> Markup:
    """A line that keeps each value until the next point: (second of the epoch, value).

    most: what has to have room. kind: its colour's class. whole: only whole numbers are ticks.
    """
    until = max(until, since + 1)
    across = Scale(since, until, ())
    up = scale(0, max(most, _TICKS) if whole else most or 1, least=0)
    path = "".join(
        f"H{_x(across, at)}V{_y(up, value)}" if place else f"M{_x(across, at)} {_y(up, value)}"
        for place, (at, value) in enumerate(points)
    )
    if path:
        path += f"H{_WIDE}"
    moments = [(across.at(at), label) for at, label in times(since, until, _TICKS)]
    return _chart(title, desc, up, moments, _curve(path, kind))


def histogram(title: str, desc: str, bins: Sequence[tuple[float, float, float]]) -> Markup:
    """Counts of a range each: (from, to, count), ranges in order; equal ones are of equal width."""
    across = scale(bins[0][0], bins[-1][1])
    up = scale(0, max((number for _, _, number in bins), default=1) or 1, least=0)
    path = "".join(
        f"M{_x(across, low)} {_HEIGHT}V{_y(up, number)}H{_x(across, high)}V{_HEIGHT}Z"
        for low, high, number in bins
        if number
    )
    ticks = [(across.at(tick), count(tick)) for tick in across.ticks]
    drawn = Markup(
        '<svg class="stretched" height="140" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        '<path class="bins" d="{}"/></svg>'
    ).format(_WIDE, _HEIGHT, path)
    return _chart(title, desc, up, ticks, drawn)


def _chart(
    title: str, desc: str, up: Scale, across: Sequence[tuple[float, str]], drawn: Markup
) -> Markup:
    lines = [
        Markup('<line class="grid" x2="100%" y1="{}" y2="{}"/>').format(y, y)
        + Markup('<text class="up" x="-8" y="{}">{}</text>').format(y + 4, count(tick))
        for tick in up.ticks
        for y in [_y(up, tick)]
    ]
    marks = [
        Markup('<line class="grid" x1="{}%" x2="{}%" y2="{}"/>').format(at, at, _HEIGHT)
        + Markup('<text x="{}%" y="{}" text-anchor="{}">{}</text>').format(
            at, _HEIGHT + 16, "start" if at < 2 else "end" if at > 98 else "middle", label
        )
        for at, label in across
    ]
    return Markup(
        '<svg class="chart" role="img" height="{}"><title>{}</title><desc>{}</desc>{}{}{}</svg>'
    ).format(
        _HEIGHT + 30,
        title,
        desc,
        Markup("").join(lines),
        Markup("").join(marks),
        drawn,
    )


def _curve(path: str, kind: str) -> Markup:
    return Markup(
        '<svg class="stretched" height="140" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        '<path class="{}" d="{}"/></svg>'
    ).format(_WIDE, _HEIGHT, kind, path)


def _x(across: Scale, value: float) -> str:
    return f"{across.at(value) * _WIDE / 100:.1f}"


def _y(up: Scale, value: float) -> float:
    return round(_HEIGHT * (1 - up.at(value) / 100), 1)

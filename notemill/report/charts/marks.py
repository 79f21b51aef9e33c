"""Plots that stand in a row of a table, beside their numbers: bars, and points with intervals.

Every place is a percentage of the plot's width, so a plot is as wide as its column, and its lines
and letters are of one size on paper and on a phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from notemill.report.numbers import Scale, scale
from notemill.statistics.figure import Figure

_LINE = 12
"""Pixels from one mark of a row to the next."""
_LETTERS = 14
"""That fit below a plot where it is narrowest."""


def bar(value: float, most: float) -> Markup:
    """A bar from 0 to a value; a hair's width where it is not 0."""
    if not value or not most:
        return Markup("")
    width = max(round(value / most * 100, 1), 0.3)
    return Markup(
        '<svg class="bar" aria-hidden="true"><rect width="{}%" height="100%"/></svg>'
    ).format(f"{width:g}")


def forest_scale(figures: Iterable[Figure], *, share: bool = True) -> Scale:
    """An axis on which all of these and their intervals have room. share: none leaves 0 to 1."""
    told = [
        number
        for each in figures
        for number in (
            each.value,
            each.low,
            each.high,
        )
        if number is not None
    ]
    if not told:
        return scale(0, 1)
    if share:
        return scale(min(told), max(told), least=min(0.0, *told), most=1.0)
    return scale(min(0.0, *told), max(0.0, *told))


def axis(on: Scale, name: str, *, zero: bool = False) -> Markup:
    """The head of a column of plots: ticks with labels, and the grid that its rows show.

    name: of the grid, once in a page. zero: whether a line for no difference is drawn.
    """
    lines = [_upright(on.at(tick), "grid") for tick in on.ticks]
    if zero:
        lines.append(_upright(on.at(0.0), "zero"))
    labels = [_label(on, tick) for tick in _with_room(on)]
    return Markup(
        '<svg class="axis" aria-hidden="true"><defs><g id="{}">{}</g></defs>{}</svg>'
    ).format(name, Markup("").join(lines), Markup("").join(labels))


def points(on: Scale, figures: Sequence[Figure], grid: str) -> Markup:
    """Figures with their intervals, one below the other: a dot, then a diamond.

    grid: the name that `axis` was given.
    """
    top = -_LINE * (len(figures) - 1) / 2
    marks = [
        _point(on, each, top + _LINE * place, place)
        for place, each in enumerate(figures)
        if each.value is not None
    ]
    return Markup(
        '<svg class="points" aria-hidden="true"><use href="#{}"/><svg y="50%">{}</svg></svg>'
    ).format(grid, Markup("").join(marks))


def _point(on: Scale, told: Figure, y: float, place: int) -> Markup:
    kind = "first" if place == 0 else "second"
    line = Markup("")
    assert told.value is not None
    if told.low is not None and told.high is not None:
        line = Markup('<line class="{}" x1="{}%" x2="{}%" y1="{}" y2="{}"/>').format(
            kind, _g(on.at(told.low)), _g(on.at(told.high)), _g(y), _g(y)
        )
    at = _g(on.at(told.value))
    if place == 0:
        return line + Markup('<circle class="first" cx="{}%" cy="{}" r="4"/>').format(at, _g(y))
    return line + Markup(
        '<svg class="at" x="{}%" y="{}"><path class="second" d="M0-5L5 0 0 5-5 0Z"/></svg>'
    ).format(at, _g(y))


def _upright(at: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{}%" x2="{}%" y2="100%"/>').format(kind, _g(at), _g(at))


def _with_room(on: Scale) -> Sequence[float]:
    """Ticks with a label: all, or every second or third where they would run into each other."""
    longest = max(len(on.label(tick)) for tick in on.ticks) + 1
    every = 1
    while longest * (len(on.ticks) - 1) // every > _LETTERS:
        every += 1
    return on.ticks[::every]


def _label(on: Scale, tick: float) -> Markup:
    at = on.at(tick)
    anchor = "start" if at < 1 else "end" if at > 99 else "middle"
    return Markup('<text x="{}%" y="11" text-anchor="{}">{}</text>').format(
        _g(at), anchor, on.label(tick)
    )


def _g(number: float) -> str:
    return f"{number:g}"

"""Lines over a logarithmic axis, as SVG without scripts that browsers and GitHub show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 540, 52, 326
# Colours that are told apart by everyone (Okabe and Ito).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666")
_STYLE = """
  svg { color-scheme: light dark; background: #fff; }
  text { font: 13px system-ui, sans-serif; fill: #333; }
  .title { font-size: 16px; font-weight: 600; }
  .grid { stroke: #e2e2e2; }
  .axis { stroke: #888; }
  .line { fill: none; stroke-width: 2.5; }
  @media (prefers-color-scheme: dark) {
    svg { background: #17181a; }
    text { fill: #d0d0d0; }
    .grid { stroke: #34363a; }
  }"""


def chart(
    title: str,
    across: str,
    up: str,
    curves: Mapping[str, Sequence[tuple[float, float]]],
) -> str:
    """Curves of (x, y), all above 0, both axes logarithmic."""
    curves = {name: sorted(set(curve)) for name, curve in curves.items()}
    points = [point for curve in curves.values() for point in curve]
    xs = sorted({x for x, _ in points})
    low, high = _decades([y for _, y in points])

    def x_of(x: float) -> float:
        span = math.log(xs[-1] / xs[0]) or 1
        return round(_LEFT + (_RIGHT - _LEFT) * math.log(x / xs[0]) / span, 1)

    def y_of(y: float) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * math.log(y / low) / math.log(high / low), 1)

    body = [_text(_LEFT, 24, title, "title"), _text(_LEFT - 50, 44, up)]
    for tick in _ticks(low, high):
        y = y_of(tick)
        body += [_line(_LEFT, y, _RIGHT, y), _text(_LEFT - 8, y + 4, _number(tick), anchor="end")]
    last = -math.inf
    for x in xs:
        body.append(_line(x_of(x), _TOP, x_of(x), _BOTTOM))
        if x_of(x) - last > 40:
            body.append(_text(x_of(x), _BOTTOM + 18, _number(x), anchor="middle"))
            last = x_of(x)
    body.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 40, across, anchor="middle"))
    labels: list[float] = []
    ends = sorted(curves.items(), key=lambda item: -item[1][-1][1])
    for number, (name, curve) in enumerate(ends):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x_of(x)},{y_of(y)}" for x, y in curve)
        body.append(f'<polyline class="line" stroke="{colour}" points="{path}"/>')
        body += [
            f'<circle cx="{x_of(x)}" cy="{y_of(y)}" r="3.5" fill="{colour}"/>' for x, y in curve
        ]
        at = max(y_of(curve[-1][1]) + 4, *(y + 17 for y in labels), _TOP)
        labels.append(at)
        body.append(f'<circle cx="{_RIGHT + 16}" cy="{at - 4}" r="5" fill="{colour}"/>')
        body.append(_text(_RIGHT + 27, at, name))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}\n</style>\n" + "\n".join(body) + "\n</svg>\n"
    )


def _decades(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return _nice(low, up=False), max(_nice(high, up=True), 2 * _nice(low, up=False))


def _nice(value: float, *, up: bool) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(value))
    steps = [step * power for step in (1, 2, 5, 10)]
    return min(s for s in steps if s >= value) if up else max(s for s in steps if s <= value)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each power of ten, without 2 and 5 over many decades."""
    steps = (1.0,) if high / low > 5000 else (1.0, 2.0, 5.0)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return [tick for tick in ticks if 0.999 * low <= tick <= 1.001 * high]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'

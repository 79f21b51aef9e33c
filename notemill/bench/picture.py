"""A picture of a server by requests in flight: speed, and how long notes take. SVG, no scripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from xml.sax.saxutils import escape

from notemill.bench.measure import Level
from notemill.status.axis import rounded_up
from notemill.status.picture import STYLE

_WIDTH, _HEIGHT = 800, 520
_LEFT, _RIGHT = 70, 740
_PANELS = ((70, 250), (310, 470))
_TICKS = 4


def picture(levels: Sequence[Level], about: dict[str, str]) -> str:
    """The SVG's text. about: what was measured, for its title."""
    told = " · ".join(filter(None, about.values()))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(told)}</title><style>{STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="28">A server by requests in flight</text>',
        f'<text x="{_LEFT}" y="48">{escape(told)}</text>',
        *_panel(levels, 0, "notes/s", [("speed", "", lambda each: each.notes_per_second)]),
        *_panel(
            levels,
            1,
            "seconds a note",
            [
                ("speed", "p50", lambda each: each.latency[0]),
                ("done", "p99", lambda each: each.latency[2]),
            ],
        ),
        f'<text x="{_RIGHT}" y="{_HEIGHT - 14}" text-anchor="end">requests in flight</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


_Value = Callable[[Level], float]


def _panel(
    levels: Sequence[Level], number: int, name: str, lines: Sequence[tuple[str, str, _Value]]
) -> Iterator[str]:
    top, bottom = _PANELS[number]
    values = [value(each) for _, _, value in lines for each in levels]
    most = rounded_up(max([each for each in values if math.isfinite(each)] or [1]) or 1, _TICKS)
    spread = math.log2(max(each.in_flight for each in levels)) or 1

    def x(level: Level) -> float:
        return round(_LEFT + math.log2(level.in_flight) / spread * (_RIGHT - _LEFT), 1)

    def y(value: float) -> float:
        return round(bottom - value / most * (bottom - top), 1)

    yield f'<text class="name" x="{_LEFT}" y="{top - 10}">{name}</text>'
    for tick in range(_TICKS + 1):
        value = most * tick / _TICKS
        kind = "grid" if tick else "axis"
        yield f'<line class="{kind}" x1="{_LEFT}" x2="{_RIGHT}" y1="{y(value)}" y2="{y(value)}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y(value) + 4}" text-anchor="end">{value:g}</text>'
    for each in levels:
        yield f'<text x="{x(each)}" y="{bottom + 18}" text-anchor="middle">{each.in_flight}</text>'
    for kind, label, value_of in lines:
        points = [(x(each), y(v)) for each in levels if math.isfinite(v := value_of(each))]
        if not points:
            continue
        path = " ".join(f"{px},{py}" for px, py in points)
        yield f'<polyline class="{kind}" points="{path}"/>'
        yield from (f'<circle class="{kind}" cx="{px}" cy="{py}" r="3"/>' for px, py in points)
        yield f'<text x="{points[-1][0] + 8}" y="{points[-1][1] + 4}">{label}</text>'

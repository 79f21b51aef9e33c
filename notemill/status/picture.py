"""A picture of a run: texts a second, and shards done, over time. SVG without scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from notemill.status.axis import nice, outline, rounded_up, speeds, times
from notemill.status.report import Status, Timeline
from notemill.status.timeline import together

_WIDTH, _HEIGHT = 800, 480
_LEFT, _RIGHT = 70, 752
_TICKS_X, _TICKS_Y = 7, 4

# Colours that are told apart by everyone (Okabe and Ito), for light and for dark.
STYLE = """
  svg { color-scheme: light dark; background: #fff; }
  text { font: 13px system-ui, sans-serif; fill: #333; }
  .title { font-size: 17px; font-weight: 600; fill: #111; }
  .name { font-weight: 600; fill: #111; }
  .grid { stroke: #e2e2e2; }
  .axis { stroke: #888; }
  .area { fill: #0072b2; fill-opacity: .25; }
  .speed { stroke: #0072b2; fill: none; stroke-width: 2; }
  .done { stroke: #b34700; fill: none; stroke-width: 2; }
  .all { stroke: #888; stroke-dasharray: 5 4; }
  @media (prefers-color-scheme: dark) {
    svg { background: #17181a; }
    text { fill: #c9c9c9; }
    .title, .name { fill: #f2f2f2; }
    .grid { stroke: #34363a; }
    .area { fill: #56b4e9; }
    .speed { stroke: #56b4e9; }
    .done { stroke: #e69f00; }
  }"""


@dataclass(frozen=True)
class _Panel:
    """A part of the picture: times from `since` to `until` (epoch) over values from 0 to `most`."""

    since: float
    until: float
    most: float
    top: int
    bottom: int

    def x(self, at: float) -> float:
        share = (at - self.since) / (self.until - self.since)
        return round(_LEFT + share * (_RIGHT - _LEFT), 1)

    def y(self, value: float) -> float:
        return round(self.bottom - value / self.most * (self.bottom - self.top), 1)

    def steps(self, points: Iterable[tuple[float, float]]) -> str:
        """A line's path that keeps each value until the next point."""
        path = ""
        for at, value in points:
            path += f"H{self.x(at)}V{self.y(value)}" if path else f"M{self.x(at)} {self.y(value)}"
        return path

    def frame(self, name: str, *, least: float = 0, labels: bool) -> Iterator[str]:
        """Heading, grid and axes. least: step of the grid; labels: whether times stand below."""
        yield _text(_LEFT, self.top - 12, name, "name")
        step = max(nice(self.most / _TICKS_Y), least)
        for number in range(int(self.most / step) + 1):
            y = self.y(number * step)
            yield _line(_LEFT, y, _RIGHT, y, "axis" if number == 0 else "grid")
            yield _text(_LEFT - 8, y + 4, f"{number * step:,g}", anchor="end")
        for at, label in times(self.since, self.until, _TICKS_X):
            yield _line(self.x(at), self.top, self.x(at), self.bottom, "grid")
            if labels:
                yield _text(self.x(at), self.bottom + 18, label, anchor="middle")


def picture(status: Status) -> str:
    """The whole run as SVG; all its experiments and cohorts together."""
    time = together([each.timeline for each in status.experiments])
    shards = sum(each.shards.total for each in status.experiments)
    title, below = _words(status)
    body = [
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(below)}</desc>",
        f"<style>{STYLE}\n</style>",
        _text(_LEFT, 32, title, "title"),
        _text(_LEFT, 54, below),
        *_panels(time, shards, _last_moment(status, time)),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img">\n' + "\n".join(body) + "\n</svg>\n"
    )


def _words(status: Status) -> tuple[str, str]:
    names = [f"{each.name} over {each.cohort}" for each in status.experiments]
    title = names[0] if len(names) == 1 else f"{len(names)} experiments and cohorts"
    parts = status.experiments
    ended = sum(each.answered + each.failed for each in parts)
    texts = [each.texts for each in parts]
    of_all = "" if None in texts else f" of {sum(filter(None, texts)):,}"
    done = sum(each.shards.done for each in parts)
    shards = sum(each.shards.total for each in parts)
    return f"notemill: {title}", (
        f"{ended:,}{of_all} texts answered or failed, {done:,} of {shards:,} shards done; "
        f"{status.at:%Y-%m-%d %H:%M} UTC"
    )


def _last_moment(status: Status, time: Timeline) -> float:
    """Until when something is known (epoch): now while jobs run, else when the last shard ended."""
    if any(each.shards.running for each in status.experiments) or not time.shards_done:
        return status.at.timestamp()
    return max(time.shards_done[-1], *(start for start, _ in time.texts), 0)


def _panels(time: Timeline, shards: int, last: float) -> Iterator[str]:
    spans = list(speeds(time, last))
    begins = [start for start, _, _ in spans] + time.shards_done[:1]
    ends = [end for _, end, _ in spans] + time.shards_done[-1:]
    if not begins:
        yield _text(_LEFT, 120, "No text has ended yet.")
        return
    since, until = min(begins), max(ends)
    until = max(until, since + 1)
    most = max((speed for _, _, speed in spans), default=0.0) or 1.0
    speed = _Panel(since, until, rounded_up(most, _TICKS_Y), 96, 258)
    done = _Panel(since, until, max(shards, 1), 316, 436)
    yield from speed.frame("texts a second", labels=False)
    line = speed.steps(outline(spans))
    if line:
        yield f'<path class="area" d="{line}V{speed.y(0)}H{speed.x(spans[0][0])}Z"/>'
        yield f'<path class="speed" d="{line}"/>'
    yield from done.frame(f"shards done, of {shards:,}", least=1, labels=True)
    yield _line(_LEFT, done.y(shards), _RIGHT, done.y(shards), "all")
    counted = [(at, float(number)) for number, at in enumerate(time.shards_done, 1)]
    in_all = float(len(counted))
    yield f'<path class="done" d="{done.steps([(since, 0.0), *counted, (until, in_all)])}"/>'
    yield _text((_LEFT + _RIGHT) / 2, 472, "time (UTC)", anchor="middle")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'

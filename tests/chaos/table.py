"""All rounds of a JSON as a table by victim, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.chaos.plan import VICTIMS

BREACHES = ("lost", "doubled", "changed", "invented")
_HEAD = (
    "victim",
    "kills",
    *BREACHES,
    "asked again in flight",
    "asked again beyond",
    "left behind",
    "run again",
    "by hand",
    "minutes lost",
)


def table(rounds: Iterable[Mapping[str, Any]]) -> str:
    """Rows that a round lost, doubled, changed or invented count for each of its victims; a run
    again and a command by hand for the last one hit before; minutes are shared by its kills."""
    sums: dict[str, Counter[str]] = {victim: Counter() for victim in VICTIMS}
    total: Counter[str] = Counter()
    for each in rounds:
        _add(each, sums, total)
    lines = [_line(_HEAD), _line(["---", *["---:"] * (len(_HEAD) - 1)])]
    lines += [_told(victim, of) for victim, of in sums.items() if of["kills"]]
    return "\n".join([*lines, _told("all", total)])


def _add(each: Mapping[str, Any], sums: dict[str, Counter[str]], total: Counter[str]) -> None:
    hits = Counter(made["victim"] for made in each["hits"])
    breached = Counter(breach["kind"] for breach in each["breaches"])
    lost = max(0.0, each["seconds"] - each["calm_seconds"]) / 60
    for name, count in breached.items():
        total[_column(name)] += count
        for victim in hits:
            sums[victim][_column(name)] += count
    for victim, count in hits.items():
        seconds = lost * 60 * count / hits.total()
        for of in (sums[victim], total):
            of["kills"] += count
            of["seconds lost"] += round(seconds)
    for column, key in (
        ("asked again in flight", "asked again"),
        ("run again", "runs again"),
        ("by hand", "by hand"),
    ):
        for victim, count in each[key].items():
            sums[victim][column] += count
            total[column] += count


def _column(kind: str) -> str:
    return "asked again beyond" if kind == "asked again" else kind


def _told(victim: str, of: Counter[str]) -> str:
    counts = [str(of[column]) for column in _HEAD[1:-1]]
    return _line([victim, *counts, f"{of['seconds lost'] / 60:.1f}"])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"

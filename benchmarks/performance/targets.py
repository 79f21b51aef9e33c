"""What was to be reached, and what was: each with its figure, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from statistics import median

from benchmarks.performance.gpus import GPUS
from benchmarks.performance.records import Part

_BECAUSE = {
    "extract": "the client reads and drops; extract hashes, sorts and compresses each text, and "
    "writes it twice; the driver takes an eighth of that",
    "load": "besides its rows each shard's file costs some milliseconds to open and check",
}
Parts = Mapping[str, Part]
Row = tuple[str, str, str, str, str]


def targets(parts: Parts) -> Iterator[Row]:
    """Rows: what, the aim, measured, reached or not, the reason."""
    yield from _closed_loop(parts)
    yield from _slots(parts)
    yield from _servers(parts)
    yield from _stages(parts)
    yield from _plans(parts)


def _row(what: str, value: float | None, aim: float, *, least: bool, why: str, unit: str) -> Row:
    told = f"{'≥' if least else '≤'} {aim:g} {unit}".strip()
    if value is None:
        return what, told, "–", "not measured", why
    reached = value >= aim if least else value <= aim
    measured = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return what, told, f"{measured} {unit}".strip(), "yes" if reached else "**no**", why


def _lines(part: Part | None) -> Iterator[dict[str, object]]:
    keys = ("server", "slots", "servers", "notes")
    for line in part.lines(*keys) if part else ():
        yield dict(zip(keys, line, strict=True))


def _closed_loop(parts: Parts) -> Iterator[Row]:
    part = parts.get("answering")
    ratios = {
        " ".join(map(str, line.values())): ratio
        for line in _lines(part)
        if part and (ratio := part.ratio("notemill", "closed loop", **line)) is not None
    }
    worst = min(ratios, key=lambda name: ratios[name], default="")
    middle = f"median of {len(ratios)} lines {median(ratios.values()):.3f}" if ratios else ""
    yield _row(
        "notemill / closed loop, the worst line",
        ratios.get(worst),
        0.98,
        least=True,
        why=f"{worst}; {middle}" if ratios else "",
        unit="",
    )


def _slots(parts: Parts) -> Iterator[Row]:
    part = parts.get("answering")
    for line in _lines(part):
        if part and line["server"] in GPUS and line["servers"] == 1 and line["slots"] != 1:
            ratio = part.ratio("notemill", "sequential", **line)
            loop = part.ratio("closed loop", "sequential", **line)
            yield _row(
                f"notemill / one at a time, {line['server']}, {line['slots']} slots, "
                f"{line['notes']}",
                ratio,
                0.9 * int(str(line["slots"])),
                least=True,
                why=f"the closed loop has {loop:.2f}: slots share one GPU, which reads all their "
                "prompts; only writing is done together"
                if loop
                else "",
                unit="times",
            )


def _servers(parts: Parts) -> Iterator[Row]:
    part = parts.get("servers")
    one, many = (part.middle(way) if part else None for way in ("1 server", "8 servers"))
    value = many / one if one and many else None
    why = "from the first server's start, while the others still start"
    yield _row("8 servers from one job / one", value, 7.6, least=True, why=why, unit="times")


def _stages(parts: Parts) -> Iterator[Row]:
    wanted: list[tuple[str, str, Callable[[Part], float | None], float, bool, str]] = [
        ("client", "texts a second of the client alone", _most, 1500, True, "texts/s"),
        ("classes", "long tail, an L40S's memory: classes / one class",
         _largest("classes", "one class"), 1.5, True, "times"),
        ("tasks", "16 questions / one: time", _questions, 4, False, "times"),
        ("extract", "extract / mariadb --quick", _largest("extract", "mariadb --quick"), 1.3, False,
         "times"),
        ("load", "load / LOAD DATA", _largest("load", "LOAD DATA"), 3, False, "times"),
    ]  # fmt: skip
    for name, what, value, aim, least, unit in wanted:
        part = parts.get(name)
        told = [_each(part, what), _BECAUSE.get(name, ""), _busy(part)] if part else []
        why = "; ".join(filter(None, told))
        yield _row(what, value(part) if part else None, aim, least=least, why=why, unit=unit)


def _busy(part: Part) -> str:
    of = part.machine
    return f"load {of['load_before']} to {of['load_after']} on {of['cores']} cores"


def _most(part: Part) -> float | None:
    return max(
        (value for way, in {(m.way,) for m in part.measurements}
         if (value := part.middle(way)) is not None),
        default=None,
    )  # fmt: skip


def _questions(part: Part) -> float | None:
    one, many = part.middle("together", questions=1), part.middle("together", questions=16)
    return many / one if one and many else None


def _largest(way: str, other: str) -> Callable[[Part], float | None]:
    """Of the medians of a ratio, over the lines that have both."""
    return lambda part: max((ratio for _, ratio in _ratios(part, way, other)), default=None)


def _each(part: Part, what: str) -> str:
    """The ratio of each line, where the target is of one of several."""
    way, _, other = what.rpartition(": ")[2].partition(" / ")
    ratios = _ratios(part, way, other)
    return ", ".join(f"{line} {ratio:.2f}" for line, ratio in ratios) if len(ratios) > 1 else ""


def _ratios(part: Part, way: str, other: str) -> list[tuple[str, float]]:
    found = []
    for what, rows, context, answer in part.lines("what", "rows", "context", "answer"):
        line = {"what": what, "rows": rows, "context": context, "answer": answer}
        line = {key: value for key, value in line.items() if value is not None}
        ratio = part.ratio(way, other, **line)
        if ratio is not None:
            told = ", ".join(
                f"{value:,} {key}" if isinstance(value, int) else str(value)
                for key, value in line.items()
            )
            found.append((told, ratio))
    return found


def _plans(parts: Parts) -> Iterator[Row]:
    part, shard = parts.get("plan"), parts.get("shard")
    why = ""
    for shards, seconds, memory in ((1000, 3.0, 181), (9999, 15.0, 371)):
        line = {"what": "fresh", "shards": shards}
        if part and (ratio := part.ratio("notemill", "smallest", **line)):
            why = f"{ratio:.2f} times the smallest Snakefile of as many jobs; {_busy(part)}"
        value = part.middle("notemill", **line) if part else None
        yield _row(f"-n of {shards:,} shards", value, seconds, least=False, why=why, unit="s")
        most = max(
            (m.more["memory_mib"] for m in part.measurements
             if m.way == "notemill" and m.line == line),
            default=None,
        ) if part else None  # fmt: skip
        smallest = max(
            (m.more["memory_mib"] for m in part.measurements
             if m.way == "smallest" and m.line == line),
            default=None,
        ) if part else None  # fmt: skip
        yield _row(
            f"its memory, {shards:,} shards", most, memory, least=False, unit="MiB",
            why=f"the smallest Snakefile takes {smallest} MiB" if smallest else "",
        )  # fmt: skip
    done = part.middle("notemill", what="nothing to do", shards=2000) if part else None
    yield _row("2,000 finished shards: nothing to do", done, 3, least=False, why="", unit="s")
    outside = shard.middle("outside") if shard else None
    why = _busy(shard) if shard else ""
    yield _row("a shard outside the engine on Slurm", outside, 8, least=False, why=why, unit="s")

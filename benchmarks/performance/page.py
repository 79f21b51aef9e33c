"""docs/performance.md: tables and plots between markers, from the measurements alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.performance.answering import WAYS
from benchmarks.performance.charts import chart
from benchmarks.performance.gpus import GPUS, USE_OF_PEAK, Model
from benchmarks.performance.records import FILE, REPOSITORY, Part
from benchmarks.performance.targets import targets
from benchmarks.performance.ten_million import ten_million

PAGE = REPOSITORY / "docs" / "performance.md"
Parts = Mapping[str, Part]


def write_page(parts: Parts) -> None:
    """Write each block anew whose measurements are there; the prose around them stays."""
    text = PAGE.read_text()
    for name, block in _BLOCKS.items():
        between = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        if not re.search(between, text, flags=re.DOTALL):
            raise SystemExit(f"{PAGE} has no marker <!-- {name} --> … <!-- end -->")
        told = "\n".join(block(parts)) or "Not measured yet."
        text = re.sub(
            between,
            lambda found, told=told: f"{found[1]}{told}\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
    PAGE.write_text(text)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """A table in Markdown; None is a dash."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for row in rows:
        lines.append("| " + " | ".join("–" if cell is None else str(cell) for cell in row) + " |")
    return lines


def number(value: float | None, places: int = 2) -> str | None:
    """Rounded, with thousands; None stays None."""
    return None if value is None else f"{value:,.{places}f}"


def _machines(parts: Parts) -> list[str]:
    rows = []
    for name, part in parts.items():
        of = part.machine
        load = f"{of['load_before']} → {of['load_after']}"
        cpu = f"{of['cores']} × {of['cpu']}, {of['memory_gib']} GiB"
        gpu = of["gpu"] or "none could be had"
        rows.append((name, of["at"], of["commit"], of["form"], cpu, gpu, load))
    told = table(("part", "when", "commit", "form", "machine", "GPU", "load"), rows)
    remarks = [f"- {remark}" for part in parts.values() for remark in part.remarks]
    return [*told, *([""] if remarks else []), *remarks]


def _gpus(_: Parts) -> list[str]:
    rows = [
        (gpu.name, f"{gpu.flops / 1e12:.0f}", f"{gpu.bandwidth / 1e12:.3f}", gpu.source)
        for gpu in GPUS.values()
    ]
    model = Model()
    return [
        *table(("GPU", "TFLOPS, dense BF16", "TB/s", "source"), rows),
        "",
        f"The model: {model.name}, {model.parameters / 1e9:.2f} billion parameters, "
        f"{model.weights / 1e9:.2f} GB of weights, {model.cache / 1024:.0f} KiB of cache a token "
        f"({model.source}). Prompts are read at {USE_OF_PEAK:.0%} of the peak.",
    ]


def _answering(parts: Parts) -> list[str]:
    part = parts.get("answering")
    if not part:
        return []
    head = ["server", "slots", "servers", "notes", *WAYS, "notemill / closed loop"]
    rows = []
    for line in part.lines("server", "slots", "servers", "notes"):
        keys = dict(zip(("server", "slots", "servers", "notes"), line, strict=True))
        rates = [number(part.middle(way, **keys)) for way in WAYS]
        rows.append((*line, *rates, number(part.ratio("notemill", "closed loop", **keys), 3)))
    lines = ["Notes a second, medians:", "", *table(head, rows), ""]
    return [*lines, *_plots(part)]


def _plots(part: Part) -> Iterable[str]:
    for server, servers, notes in part.lines("server", "servers", "notes"):
        keys = {"server": server, "servers": servers, "notes": notes}
        curves: dict[str, list[tuple[float, float]]] = {}
        for (slots,) in part.lines("slots"):
            for way in WAYS:
                rate = part.middle(way, slots=slots, **keys)
                if rate:
                    curves.setdefault(way, []).append((slots, rate))
        if all(len(curve) < 2 for curve in curves.values()):
            continue
        name = f"answering-{server}-{servers}-{notes}".lower().replace(" ", "-").replace(".", "")
        title = f"{notes} notes, {servers} × {server}"
        yield _picture(name, chart(title, "slots of each server", "notes/s", curves), title)


def _picture(name: str, svg: str, title: str) -> str:
    file: Path = FILE.with_name(f"{name}.svg")
    file.write_text(svg)
    return f"![{title}](performance/{file.name})"


def _stage(name: str, what: str, over: str) -> Callable[[Parts], list[str]]:
    """A block for a stage: seconds by way, over a number such as rows; a plot where it has two."""

    def block(parts: Parts) -> list[str]:
        part = parts.get(name)
        if not part:
            return []
        ways = list(dict.fromkeys(each.way for each in part.measurements))
        rows = []
        for line in part.lines("what", over):
            keys = dict(zip(("what", over), line, strict=True))
            rows.append((*line, *(number(part.middle(way, **keys)) for way in ways)))
        lines = [f"{what}:", "", *table(["", over, *ways], rows)]
        for (kind,) in part.lines("what"):
            curves = {
                way: [
                    (at, value)
                    for (at,) in part.lines(over)
                    if at and (value := part.middle(way, **{"what": kind, over: at}))
                ]
                for way in ways
            }
            curves = {way: curve for way, curve in curves.items() if len(curve) > 1}
            if curves:
                title = f"{name}: {kind}"
                file = re.sub(r"[^a-z0-9]+", "-", f"{name}-{kind}".lower())
                lines += ["", _picture(file, chart(title, over, what, curves), title)]
        return lines

    return block


def _memory(parts: Parts) -> list[str]:
    part = parts.get("plan")
    if not part:
        return []
    rows = []
    for what, shards in part.lines("what", "shards"):
        most: dict[str, float] = {}
        for each in part.measurements:
            if each.line["what"] == what and each.line["shards"] == shards:
                most[each.way] = max(most.get(each.way, 0), each.more["memory_mib"])
        cpu = part.ratio("notemill", "smallest", what=what, shards=shards)
        rows.append((what, shards, *(most.get(w) for w in ("notemill", "smallest")), number(cpu)))
    head = ("", "shards", "MiB, notemill", "MiB, smallest", "seconds, notemill / smallest")
    return [*_stage("plan", "seconds", "shards")(parts), "", *table(head, rows)]


_BLOCKS: dict[str, Callable[[Parts], list[str]]] = {
    "machines": _machines,
    "targets": lambda parts: table(
        ("to reach", "aim", "measured", "reached", "why"), targets(parts)
    ),
    "gpus": _gpus,
    "answering": _answering,
    "servers": _stage("servers", "notes/s", "servers"),
    "client": _stage("client", "texts/s", "slots"),
    "classes": _stage("classes", "notes/s", "context"),
    "extract": _stage("extract", "seconds", "rows"),
    "load": _stage("load", "seconds", "rows"),
    "plan": _memory,
    "shard": _stage("shard", "seconds", "jobs"),
    "tasks": _stage("tasks", "seconds", "questions"),
    "ten million": ten_million,
}

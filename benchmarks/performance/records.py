"""Measurements as plain values in one JSON file, each with the run and the machine it is from."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

REPOSITORY = Path(__file__).parents[2]
FILE = REPOSITORY / "docs" / "performance" / "measurements.json"


@dataclass(frozen=True)
class Measurement:
    """One value. line: what was measured, such as {"server": "L40S", "slots": 8}; way: by whom;
    repeat: which round of an interleaved run."""

    line: Mapping[str, Any]
    way: str
    value: float
    unit: str
    repeat: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One part's measurements, of one run on one machine. remarks: what was left out, and why."""

    machine: Mapping[str, Any]
    measurements: list[Measurement]
    remarks: list[str]

    def middle(self, way: str, **line: Any) -> float | None:
        """The median of the values of one line and way, None where it was not measured."""
        values = [
            each.value
            for each in self.measurements
            if each.way == way and all(each.line.get(key) == what for key, what in line.items())
        ]
        return median(values) if values else None

    def ratio(self, way: str, other: str, **line: Any) -> float | None:
        """The median of the ratios of two ways, each of one round."""
        rounds: dict[int, dict[str, float]] = {}
        for each in self.measurements:
            if all(each.line.get(key) == what for key, what in line.items()):
                rounds.setdefault(each.repeat, {})[each.way] = each.value
        ratios = [each[way] / each[other] for each in rounds.values() if {way, other} <= {*each}]
        return median(ratios) if ratios else None

    def lines(self, *keys: str) -> list[tuple[Any, ...]]:
        """The distinct values of these keys, in the order they were measured."""
        return list(
            dict.fromkeys(tuple(each.line.get(k) for k in keys) for each in self.measurements)
        )


def read() -> dict[str, Part]:
    """All parts that have been measured."""
    if not FILE.exists():
        return {}
    return {
        name: Part(
            part["machine"], [Measurement(**each) for each in part["measurements"]], part["remarks"]
        )
        for name, part in json.loads(FILE.read_text()).items()
    }


def write(parts: Mapping[str, Part]) -> None:
    """Write them, one measurement a line."""
    told = []
    for name, part in parts.items():
        rows = ",\n".join(f"   {json.dumps(vars(each))}" for each in part.measurements)
        told.append(
            f' {json.dumps(name)}: {{\n  "machine": {json.dumps(part.machine)},\n'
            f'  "remarks": {json.dumps(part.remarks)},\n  "measurements": [\n{rows}\n  ]\n }}'
        )
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text("{\n" + ",\n".join(told) + "\n}\n")


def this_machine(*, quick: bool) -> dict[str, Any]:
    """What the run is on, and how busy it was when it began."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
        "gpu": _gpu(),
        "form": "quick" if quick else "full",
    }


def as_part(
    machine: Mapping[str, Any], measurements: Iterable[Measurement], remarks: Iterable[str]
) -> Part:
    """A part that was just measured."""
    return Part(
        {**machine, "load_after": round(os.getloadavg()[0], 1)}, [*measurements], [*remarks]
    )


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _gpu() -> str:
    try:
        words = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""

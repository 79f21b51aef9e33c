"""What the journals accepted: read line by line, as whoever distrusts notemill would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """An accepted answer. experiment: its id; at: when, in whole seconds since 1970."""

    experiment: str
    text_sha256: str
    answer: dict[str, Any]
    at: float
    journal: str


def read_journals(results: Path) -> list[Line]:
    """Every accepted answer of every journal. A last line without its end is what a kill cut."""
    return [line for path in sorted(results.rglob("*.journal.jsonl")) for line in _lines(path)]


def rejected(results: Path) -> list[Path]:
    """Where jobs set lines aside that they could not use: no kill may make such a line."""
    return sorted(results.rglob("*.rejected.jsonl"))


def _lines(path: Path) -> Iterator[Line]:
    experiment = ""
    for raw in path.read_bytes().splitlines(keepends=True):
        if not raw.endswith(b"\n"):
            return
        entry = json.loads(raw)
        if "key" in entry:
            experiment = entry["key"]["experiment"]
        elif "text" in entry:
            at = datetime.fromisoformat(entry["answered_at"]).timestamp()
            yield Line(experiment, entry["text"], entry["answer"], at, path.name)

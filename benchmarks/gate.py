"""What a gate takes: notes a second through patterns and gate.py, and ten million notes from that.

    python -m benchmarks.gate [--csv NOTES.csv.gz --column TEXT] [--notes 20000]

Without a file, synthetic notes of the demo's kind. One core; nothing is asked.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

from models.notes import draw
from notemill.tasks.gate import Gate
from notemill.tasks.task import read_task

TEN_MILLION = 10_000_000
_SCHEMA = (
    "from typing import Literal\nfrom pydantic import BaseModel\n\n\n"
    "class Answer(BaseModel):\n    response: Literal['yes', 'no']\n"
)
WORDS = "pneumon|infiltrat|consolidat|opacit|chest x-?ray"
GATES = {
    "one pattern": f"gate:\n  ask_if:\n    lungs: '{WORDS}'\n",
    "ten patterns": "gate:\n  settle_if:\n"
    + "".join(f"    r{n}: 'unheard{n}|\\bnever {n}\\b'\n" for n in range(9))
    + f"  ask_if:\n    lungs: '{WORDS}'\n",
    "sections": "gate:\n  sections:\n    keep: [FINDINGS, IMPRESSION, ASSESSMENT]\n",
    "gate.py": "import re\n\nRULES = ('no_lungs',)\n"
    f"LUNGS = re.compile('{WORDS}', re.IGNORECASE)\n\n\n"
    "def gate(note):\n    return None if LUNGS.search(note) else 'no_lungs'\n",
}


@dataclass(frozen=True)
class Measured:
    """One gate. notes_per_s: of one core, the median of some rounds; hours: of ten million notes;
    settled, cut: shares of the notes."""

    gate: str
    notes: int
    characters: int
    notes_per_s: float
    hours: float
    settled: float
    cut: float


def measure(texts: Sequence[str], rounds: int = 3) -> list[dict[str, object]]:
    """Every gate over the texts, rounds interleaved. characters: of a text, the median."""
    characters = int(statistics.median(map(len, texts)))
    with tempfile.TemporaryDirectory() as folder:
        gates = {name: _gate(Path(folder), name, told) for name, told in GATES.items()}
        seconds: dict[str, list[float]] = {name: [] for name in gates}
        for _ in range(rounds):
            for name, gate in gates.items():
                seconds[name].append(_seconds(gate.gated, texts))
        result = []
        for name, gate in gates.items():
            done = [gate.gated(text) for text in texts]
            rate = len(texts) / statistics.median(seconds[name])
            measured = Measured(
                gate=name,
                notes=len(texts),
                characters=characters,
                notes_per_s=round(rate),
                hours=round(TEN_MILLION / rate / 3600, 3),
                settled=round(sum(each.settled for each in done) / len(texts), 3),
                cut=round(sum(bool(each.parts) for each in done) / len(texts), 3),
            )
            result.append(asdict(measured))
    return result


def synthetic(notes: int) -> list[str]:
    """Notes of the demo's kind."""
    return [note.text for note in draw(notes, seed=1)]


def from_csv(path: Path, column: str, notes: int) -> list[str]:
    """So many notes of a file, from its beginning again where it has fewer."""
    csv.field_size_limit(sys.maxsize)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        texts = [text for row in csv.DictReader(file) if (text := row[column]).strip()]
    return list(islice(cycle(texts), notes))


def _gate(folder: Path, name: str, told: str) -> Gate:
    place = folder / f"task_{list(GATES).index(name)}"
    place.mkdir()
    (place / "system.md").write_text("Read.")
    (place / "user.md").write_text("{note}")
    (place / "schema.py").write_text(_SCHEMA)
    (place / ("gate.py" if name == "gate.py" else "task.yaml")).write_text(told)
    gate = read_task(folder, place.name).gate
    assert gate
    return gate


def _seconds(of: Callable[[str], object], texts: Sequence[str]) -> float:
    start = time.perf_counter()
    for text in texts:
        of(text)
    return time.perf_counter() - start


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--notes", type=int, default=20_000)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--column", default="text")
    given = parser.parse_args()
    texts = from_csv(given.csv, given.column, given.notes) if given.csv else synthetic(given.notes)
    for each in measure(texts):
        print(", ".join(f"{name} {value}" for name, value in each.items()))


if __name__ == "__main__":
    main()

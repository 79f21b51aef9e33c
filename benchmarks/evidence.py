"""How long it takes to grade the evidence of many notes, by how their answers quote them.

    python -m benchmarks.evidence [--notes 100000] [--csv FILE --column NAME]

Quotes of 5 to 30 words are drawn (seeded) from the notes: as they stand, in capitals with other
white space, with their middle left out, with one letter changed, and from another note. The notes
are those of a CSV file (gzip too), or synthetic ones, over and over. Prints for each kind which
grades came out and what ten million notes would take of one core; beside them that of sentences'
numbers, and of reading the notes shard.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from models.notes import draw
from notemill.answers.grading import grade
from notemill.notes.manifest import read_manifest
from notemill.notes.shard import read_notes
from notemill.tasks.evidence import Evidence
from tests.unit.conftest import Clinic

MANY = 10_000_000
QUOTED = Evidence(field="quote")
NUMBERED = Evidence(field="quote", numbered=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--notes", type=int, default=100_000)
    parser.add_argument("--csv", type=Path, help="a file with notes")
    parser.add_argument("--column", default="transcription", help="of the notes in it")
    options = parser.parse_args()
    texts = _read(options.csv, options.column) if options.csv else _synthetic()
    characters = sorted(map(len, texts))
    print(
        f"{options.notes} notes over {len(texts)} texts, median {characters[len(texts) // 2]}, "
        f"longest {characters[-1]} characters",
        flush=True,
    )
    chance = random.Random(1)
    for name, quote in KINDS.items():
        pairs = [(text, quote(text, chance, texts)) for text in texts]
        _report(name, options.notes, pairs, QUOTED)
    _report("numbers", options.notes, [(text, [1, 2]) for text in texts], NUMBERED)
    _reading(texts)


def _report(
    name: str, notes: int, pairs: list[tuple[str, str]] | list[tuple[str, list[int]]], how: Evidence
) -> None:
    counts: Counter[str] = Counter()
    began = time.process_time()
    for text, quote in itertools.islice(itertools.cycle(pairs), notes):
        counts[grade(text, {"quote": quote}, how).grade.value] += 1
    _line(name, time.process_time() - began, notes, dict(counts.most_common()))


def _line(name: str, seconds: float, notes: int, what: object) -> None:
    print(
        f"{name:12} {seconds / notes * 1e6:8.1f} us a note, {seconds / notes * MANY / 60:7.1f} min "
        f"for ten million   {what}",
        flush=True,
    )


def _reading(texts: list[str]) -> None:
    """What it costs to read a notes shard with its texts, which is not needed without evidence."""
    with tempfile.TemporaryDirectory(prefix="notemill-evidence-") as folder:
        clinic = Clinic(Path(folder))
        clinic.fill(*enumerate(texts))
        clinic.extract(shards=1)
        ids = read_manifest(clinic.manifest()).id_columns
        shard = clinic.layout.notes("chest", clinic.cut(), "0000")
        for with_text in (False, True):
            began = time.process_time()
            read = sum(1 for _ in read_notes(shard, ids, with_text=with_text))
            kind = "with text" if with_text else "without text"
            _line("reading", time.process_time() - began, read, kind)


Quote = Callable[[str, random.Random, list[str]], str]


def _drawn(text: str, chance: random.Random, _: list[str]) -> str:
    words = list(_words(text))
    first = chance.randrange(max(1, len(words) - 5))
    last = min(len(words), first + chance.randint(5, 30)) - 1
    return text[words[first][0] : words[last][1]]


def _words(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for word in text.split():
        at = text.index(word, at)
        yield at, at + len(word)
        at += len(word)


def _otherwise(text: str, chance: random.Random, texts: list[str]) -> str:
    return "\n".join(_drawn(text, chance, texts).upper().split())


def _shortened(text: str, chance: random.Random, texts: list[str]) -> str:
    words = _drawn(text, chance, texts).split(" ")
    return " ".join([*words[: len(words) // 2], "...", *words[len(words) // 2 + 1 :]])


def _misquoted(text: str, chance: random.Random, texts: list[str]) -> str:
    quote = _drawn(text, chance, texts)
    at = chance.randrange(len(quote))
    return f"{quote[:at]}q{quote[at + 1 :]}"


def _of_another(text: str, chance: random.Random, texts: list[str]) -> str:
    return _drawn(chance.choice(texts), chance, texts)


KINDS: dict[str, Quote] = {
    "exact": _drawn,
    "otherwise": _otherwise,
    "shortened": _shortened,
    "misquoted": _misquoted,
    "of another": _of_another,
}


def _synthetic() -> list[str]:
    return [note.text for note in draw(2_000, seed=5)]


def _read(path: Path, column: str) -> list[str]:
    csv.field_size_limit(sys.maxsize)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        texts = {row[column] for row in csv.DictReader(file)}
    return sorted(text for text in texts if text and text.strip())


if __name__ == "__main__":
    main()

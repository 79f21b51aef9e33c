"""The texts of a finished run by how they ended, in one pass, and a sample of them in another."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from notemill.answers.columns import EVIDENCE_GRADE
from notemill.answers.finished import Finished
from notemill.answers.grades import FOUND
from notemill.answers.shard import REMEDY
from notemill.answers.verdict import Status
from notemill.audit.labels import label_of
from notemill.notes.shard import readable_parquet

Evidence = Literal["found", "not_found"]


class Ending(NamedTuple):
    """What a stratum's texts have in common.

    answer: None where the model gave none. settled: by the task's gate; answer is then what such
    notes are taken for, if the task says so.
    """

    answer: str | None
    evidence: Evidence | None
    settled: bool = False


class Text(NamedTuple):
    """A text that was asked, or settled. notes: how many notes have it."""

    text_sha256: str
    ending: Ending
    notes: int


@dataclass
class Count:
    """Of a stratum. squares: the sum of its texts' squared notes."""

    texts: int = 0
    notes: int = 0
    squares: int = 0

    @property
    def unlike(self) -> float:
        """How much more an interval over notes needs than one over texts: 1 if all are alike."""
        return self.squares * self.texts / self.notes**2


@dataclass
class Population:
    """A run's texts, counted.

    notes: that have a text; blank: that have none. digest: sha256 over all texts and how they
    ended.
    """

    strata: dict[Ending, Count] = field(default_factory=lambda: defaultdict(Count))
    notes: int = 0
    blank: int = 0
    digest: str = ""

    @property
    def texts(self) -> int:
        """Texts that were asked, or settled by the task's gate."""
        return sum(each.texts for each in self.strata.values())


@dataclass(frozen=True)
class Drawn:
    """A text that is read. certain: because so many notes have it, and not by chance."""

    text_sha256: str
    notes: int
    certain: bool


def count(run: Finished, name: str) -> Population:
    """Count the run's texts by their answer in this field."""
    population, digest = Population(), hashlib.sha256()
    for text in _texts(run, name):
        if text is None:
            population.blank += 1
            continue
        population.notes += text.notes
        its = population.strata[text.ending]
        its.texts += 1
        its.notes += text.notes
        its.squares += text.notes**2
        digest.update(json.dumps([text.text_sha256, text.ending.answer, text.notes]).encode())
    population.digest = digest.hexdigest()
    return population


def choose(
    run: Finished, name: str, sizes: Mapping[Ending, int], counts: Mapping[Ending, Count], seed: int
) -> dict[Ending, list[Drawn]]:
    """Draw so many texts of each stratum, without replacement.

    Each text has a number by the seed and its hash alone, and those with the smallest are drawn:
    the same ones whatever the number of shards. Before, a text that so many notes have that one in
    the stratum's size would be it is taken for certain, as samples in proportion to size do.
    """
    smallest: dict[Ending, list[tuple[int, str, int]]] = defaultdict(list)
    heaviest: dict[Ending, list[tuple[int, str]]] = defaultdict(list)
    for text in _texts(run, name):
        if text is not None and (size := sizes.get(text.ending, 0)):
            number = number_of(seed, "drawn", text.text_sha256)
            _keep(smallest[text.ending], (-number, text.text_sha256, text.notes), size)
            _keep(heaviest[text.ending], (text.notes, text.text_sha256), size)
    return {
        ending: _drawn(smallest[ending], heaviest[ending], size, counts[ending].notes)
        for ending, size in sizes.items()
        if size
    }


def number_of(seed: int, what: str, *of: str) -> int:
    """A number that only the seed and these words tell, any of 2^64 alike."""
    words = json.dumps([seed, what, *of]).encode()
    return int.from_bytes(hashlib.sha256(words).digest()[:8], "big")


def _keep(heap: list[Any], entry: tuple[Any, ...], size: int) -> None:
    """Keep the largest entries, at most so many."""
    if len(heap) < size:
        heapq.heappush(heap, entry)
    else:
        heapq.heappushpop(heap, entry)


def _drawn(
    smallest: list[tuple[int, str, int]], heaviest: list[tuple[int, str]], size: int, notes: int
) -> list[Drawn]:
    certain = {}
    left = size
    for weight, text_sha256 in sorted(heaviest, reverse=True):
        if weight * left < notes:
            break
        certain[text_sha256] = weight
        left, notes = left - 1, notes - weight
        if not left:
            break
    by_chance = [
        Drawn(text_sha256, weight, False)
        for _, text_sha256, weight in sorted(smallest, reverse=True)
        if text_sha256 not in certain
    ]
    return [*(Drawn(each, weight, True) for each, weight in certain.items()), *by_chance[:left]]


def _texts(run: Finished, name: str) -> Iterator[Text | None]:
    """Each text once, in the order of the shards, and None for each blank note."""
    column = run.columns[name]
    taken_for = run.run.task.settled_as.get(name)
    settled = Ending(None if taken_for is None else label_of(taken_for), None, True)
    graded = all(map(_graded, run.shards))
    wanted = ["text_sha256", "status", column.column, *([EVIDENCE_GRADE] if graded else [])]
    last: Text | None = None
    for batch in run.rows(wanted):
        columns = [batch[each].to_pylist() for each in wanted]
        if not graded:
            columns.append([None] * len(batch))
        for text_sha256, status, value, grade in zip(*columns, strict=True):
            if status == Status.BLANK:
                yield None
            elif last is not None and last.text_sha256 == text_sha256:
                last = last._replace(notes=last.notes + 1)
            else:
                if last is not None:
                    yield last
                is_settled = status == Status.NOT_RELEVANT
                ending = settled if is_settled else _ending(status, column.answered(value), grade)
                last = Text(text_sha256, ending, 1)
    if last is not None:
        yield last


def _graded(path: Path) -> bool:
    """Whether a result shard says how well its answers' evidence was found."""
    with readable_parquet(path, remedy=REMEDY) as file:
        return EVIDENCE_GRADE in file.schema_arrow.names


def _ending(status: str, value: Any, grade: str | None) -> Ending:
    if status != Status.ANSWERED:
        return Ending(None, None)
    found: Evidence | None = None
    if grade:
        found = "found" if grade in FOUND else "not_found"
    return Ending(label_of(value), found)

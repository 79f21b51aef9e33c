"""What the engines were asked, and which answer was asked for again for what reason.

The bound, stated exactly. A question that has an answer may be asked again only if

1. no journal had accepted its answer when the later request came; and
2. between the two requests something happened that loses answers in flight: a victim of
   `plan.LOSES_ANSWERS` was hit, and with it the very engine that had the first request; and
3. each such event costs at most `slots + 1` questions for each engine that it hit and each job that
   was asking it: a job keeps so many requests at an engine, and journals an answer before it asks
   the next question.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Asked:
    """A request for the answer to a question. at: when it came; engine: the process id of the one
    that had it, with so many slots; sent: when its answer had been sent whole, None if never;
    job: the engine's, Slurm's number."""

    at: float
    question: str
    engine: int
    slots: int
    sent: float | None = None
    job: str = ""


@dataclass(frozen=True)
class Loss:
    """Something that may lose answers in flight.

    begun, ended: from when until when a request could be lost by it. engines: process ids of those
    that it hit, or whose answers nobody takes any more, None if of all that answered meanwhile;
    job: whose engines it hit, Slurm's number; jobs: how many were asking each of them.
    """

    victim: str
    begun: float
    ended: float
    engines: tuple[int, ...] | None
    jobs: int = 1
    job: str = ""

    def may_have_cost(self, first: Asked, again: Asked) -> bool:
        """Whether it came between the two, and had to do with the engine of the first."""
        hit = self.engines is None or first.engine in self.engines or self.job == first.job != ""
        return hit and self.begun <= again.at and self.ended >= first.at


@dataclass(frozen=True)
class AskedAgain:
    """A second request for the same answer. loss: what allowed it, None if nothing did."""

    question: str
    at: float
    loss: Loss | None


def read_ledger(path: Path) -> list[Asked]:
    """All requests, in the order in which they came. Raises ValueError for a line that is torn."""
    if not path.exists():
        return []
    asked: dict[tuple[str, int], Asked] = {}
    slots: dict[str, int] = {}
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        server = entry["server"]
        if entry["event"] == "started":
            slots[server] = entry["slots"]
            continue
        key = server, entry["request"]
        if entry["event"] == "asked":
            engine = int(server.partition("@")[0])
            asked[key] = Asked(
                entry["at"], entry["question"], engine, slots[server], job=entry["job"]
            )
        elif entry["event"] == "sent":
            asked[key] = replace(asked[key], sent=entry["at"])
    return sorted(asked.values(), key=lambda each: each.at)


def asked_again(
    requests: Iterable[Asked], losses: Iterable[Loss], answerable: Iterable[str]
) -> list[AskedAgain]:
    """Every request but the first for an answer, each with what allowed it by rules 2 and 3."""
    known, before = set(answerable), dict[str, Asked]()
    pairs: list[tuple[Asked, Asked]] = []
    for request in requests:
        if request.question in known:
            if first := before.get(request.question):
                pairs.append((first, request))
            before[request.question] = request
    allowed = _matched(pairs, list(losses))
    return [
        AskedAgain(again.question, again.at, allowed.get(number))
        for number, (_, again) in enumerate(pairs)
    ]


def _matched(pairs: list[tuple[Asked, Asked]], losses: list[Loss]) -> dict[int, Loss]:
    """A loss for as many pairs as can have one, none with more than it can have cost."""
    taken: dict[tuple[int, int], list[int]] = defaultdict(list)

    def place(number: int, seen: set[tuple[int, int]]) -> bool:
        first, again = pairs[number]
        for which, loss in enumerate(losses):
            seat = which, first.engine
            if not loss.may_have_cost(first, again) or seat in seen:
                continue
            seen.add(seat)
            if len(taken[seat]) < (first.slots + 1) * loss.jobs:
                taken[seat].append(number)
                return True
            for other in list(taken[seat]):
                if place(other, seen):
                    taken[seat].remove(other)
                    taken[seat].append(number)
                    return True
        return False

    for number in range(len(pairs)):
        place(number, set())
    return {number: losses[which] for (which, _), several in taken.items() for number in several}


def by_victim(again: Iterable[AskedAgain]) -> dict[str, int]:
    """How many questions each kind of victim had asked again."""
    return dict(Counter(each.loss.victim for each in again if each.loss))


def times(requests: Iterable[Asked]) -> dict[str, list[float]]:
    """When each question was asked."""
    found: dict[str, list[float]] = defaultdict(list)
    for request in requests:
        found[request.question].append(request.at)
    return dict(found)

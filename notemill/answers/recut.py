"""A cohort's answers when it gets another number of shards: each follows its text."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from notemill.answers.journal import Accepted, JournalAtRest, JournalKey, Spent, write_journal
from notemill.logs import log
from notemill.notes.recut import experiments_of
from notemill.notes.text import shard_of
from notemill.paths import Layout, cut_name, journal, shard_names


@dataclass(frozen=True)
class JournaledAnswers:
    """A cohort's answers in their journals; what `notemill.notes.extract.extract` moves."""

    layout: Layout
    cohort: str

    def refuse_while_answered(self, shards: int) -> None:
        """Raise NotemillError if a job works on a shard of this cut."""
        for experiment in experiments_of(self.layout, self.cohort):
            for path in self._journals(experiment, shards):
                if path.exists():
                    with JournalAtRest(path):
                        pass

    def move(self, *, before: int, after: int) -> None:
        """Copy all answers of a cut, and what they have cost, into the journals of another one.

        Answers that are there already stay; a journal that lacks none stays as it is, so that doing
        it twice counts no cost twice. Raises NotemillError when a job works on one of them.
        """
        for experiment in experiments_of(self.layout, self.cohort):
            targets = self._journals(experiment, after)
            moving: dict[int, _Moving] = defaultdict(_Moving)
            moved = 0
            for number, path in enumerate(self._journals(experiment, before)):
                if path.exists():
                    with JournalAtRest(path) as at_rest:
                        for accepted in at_rest.accepted():
                            moved += 1
                            moving[_shard(accepted, after)].accepted.append(accepted)
                        moving[number * after // before].spend(at_rest.spent())
                passed = (number + 1) * after // before  # what lies below gets nothing more
                for complete in [each for each in moving if each < passed]:
                    moving.pop(complete).write(targets[complete])
            for left, lines in moving.items():
                lines.write(targets[left])
            log.info("%s: %d answers moved from %d to %d shards", experiment, moved, before, after)

    def _journals(self, experiment: str, shards: int) -> list[Path]:
        """Where a cut's journals are, or would be."""
        place = (self.cohort, experiment, cut_name(shards))
        return [journal(self.layout.answers(*place, name)) for name in shard_names(shards)]


@dataclass
class _Moving:
    """What goes into one journal."""

    accepted: list[Accepted] = field(default_factory=list)
    spent: dict[JournalKey, Spent] = field(default_factory=dict)

    def spend(self, spent: dict[JournalKey, Spent]) -> None:
        for key, cost in spent.items():
            self.spent[key] = self.spent.get(key, Spent()) + cost

    def write(self, path: Path) -> None:
        if path.exists():
            with JournalAtRest(path) as there:
                kept = list(there.accepted())
                known = {(each.key, each.text_sha256) for each in kept}
                new = [e for e in self.accepted if (e.key, e.text_sha256) not in known]
                if not new:
                    return
                self.accepted = new + kept
                self.spend(there.spent())
        if self.accepted or self.spent:
            self.accepted.sort(key=lambda each: (each.key.experiment, each.key.model_digest))
            write_journal(path, self.accepted, self.spent)


def _shard(accepted: Accepted, shards: int) -> int:
    return shard_of(bytes.fromhex(accepted.text_sha256), shards)

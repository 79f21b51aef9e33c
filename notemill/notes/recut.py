"""What changes hands when a cohort gets another number of shards: answers, and what is in force."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from notemill.files import explained, sync, write_text
from notemill.journal import Accepted, JournalAtRest, JournalKey, Spent, write_journal
from notemill.logs import log
from notemill.notes.text import shard_of
from notemill.paths import CUTS, Layout, cut_name, journal, shard_names, shards_of_cut


def other_cuts(layout: Layout, cohort: str, shards: int) -> list[int]:
    """Numbers of shards of the cuts, but this one, in which there are answers."""
    cuts = {folder.name for folder in layout.answers_folder(cohort).glob(f"*/{CUTS}")}
    return sorted(shards_of_cut(name) for name in cuts - {cut_name(shards)})


def other_notes(layout: Layout, cohort: str, shards: int) -> list[int]:
    """Numbers of shards of the cuts, but this one, in which there are notes."""
    cuts = {folder.name for folder in layout.cohort(cohort).glob(CUTS)}
    return sorted(shards_of_cut(name) for name in cuts - {cut_name(shards)})


def gather_answers(layout: Layout, cohort: str, *, into: int) -> None:
    """Bring what other cuts have answered, and this one has not, into this one's journals.

    They are copies, of a recut that was killed; or the record of the cut in force is an older one,
    and they are all there is.
    """
    for other in other_cuts(layout, cohort, into):
        move_answers(layout, cohort, before=other, after=into)
        for folder in layout.answers_folder(cohort).glob(f"*/{cut_name(other)}"):
            with explained(folder):
                shutil.rmtree(folder)


def clear_cuts(layout: Layout, cohort: str, *, but: int) -> None:
    """Remove what belongs to another cut than this: notes shards, result shards and journals."""
    for folder in (
        *layout.answers_folder(cohort).glob(f"*/{CUTS}"),
        *layout.cohort(cohort).glob(CUTS),
    ):
        if folder.name != cut_name(but):
            with explained(folder):
                shutil.rmtree(folder)


def refuse_while_answered(layout: Layout, cohort: str, shards: int) -> None:
    """Raise NotemillError if a job works on a shard of this cut."""
    for experiment in _experiments(layout, cohort):
        for path in _journals(layout, cohort, experiment, shards):
            if path.exists():
                with JournalAtRest(path):
                    pass


@contextmanager
def withdrawn(manifest: Path) -> Iterator[None]:
    """Take a cut's manifest away, so that no job begins with it; bring it back on any error."""
    text = manifest.read_text(encoding="utf-8") if manifest.exists() else None
    with explained(manifest):
        manifest.unlink(missing_ok=True)
        if manifest.parent.exists():
            sync(manifest.parent)
    try:
        yield
    except BaseException:
        if text is not None:
            write_text(manifest, text)
        raise


def move_answers(layout: Layout, cohort: str, *, before: int, after: int) -> None:
    """Copy all answers of a cut, and what they have cost, into the journals of another one.

    Answers that are there already stay; a journal that lacks none stays as it is, so that doing
    it twice counts no cost twice. Raises NotemillError when a job works on one of them.
    """
    for experiment in _experiments(layout, cohort):
        targets = _journals(layout, cohort, experiment, after)
        moving: dict[int, _Moving] = defaultdict(_Moving)
        moved = 0
        for number, path in enumerate(_journals(layout, cohort, experiment, before)):
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


def remove_result_shards(layout: Layout, cohort: str, shards: int) -> None:
    """Remove a cut's result shards, which their journals can give again without asking.

    Before the cut is given up: a plan that is made later takes a result shard for a result.
    """
    for experiment in _experiments(layout, cohort):
        for name in shard_names(shards):
            path = layout.answers(cohort, experiment, cut_name(shards), name)
            with explained(path):
                path.unlink(missing_ok=True)


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


def _experiments(layout: Layout, cohort: str) -> list[str]:
    """Ids of all experiments that ever asked this cohort."""
    folder = layout.answers_folder(cohort)
    return sorted(path.name for path in folder.glob("*/"))


def _journals(layout: Layout, cohort: str, experiment: str, shards: int) -> list[Path]:
    """Where a cut's journals are, or would be."""
    cut = cut_name(shards)
    return [journal(layout.answers(cohort, experiment, cut, name)) for name in shard_names(shards)]


def _shard(accepted: Accepted, shards: int) -> int:
    return shard_of(bytes.fromhex(accepted.text_sha256), shards)

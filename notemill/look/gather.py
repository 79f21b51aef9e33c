"""Asked texts of a cohort and how each ended: from notes shards, journals and result shards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path

from notemill.answers.journal import Accepted, accepted_so_far
from notemill.answers.outcome import Outcome
from notemill.answers.shard import read_failed, read_origin
from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.look.entries import LONGEST_SHOWN, Entry
from notemill.notes.manifest import read_frozen
from notemill.notes.shard import Note, read_notes
from notemill.notes.text import shard_of
from notemill.paths import Layout, cut_name, journal, shard_names
from notemill.tasks.gate import WHOLE, Gate

_IDS_SHOWN = 3
"""Of the notes that share a text."""
_SHARDS_NAMED = 20


@dataclass(frozen=True)
class Wanted:
    """A text that is to be shown. failure: how it ended by the pilot's record, if it failed."""

    why: str = ""
    failure: Outcome | None = None


@dataclass(frozen=True)
class Gathered:
    """Texts with their outcomes, in the order of their hashes.

    shards: that they are from. digests: of the models that answered. missing: wanted texts of which
    nothing is known any more. failures_known: whether all shards of them have ended.
    """

    entries: list[Entry]
    id_columns: list[IdColumn]
    shards: list[str]
    digests: list[str]
    missing: int
    failures_known: bool


class CohortAnswers:
    """An experiment's answers over a cohort, as they lie below the results folder now."""

    def __init__(
        self, layout: Layout, cohort: str, experiment: str, gate: Gate | None = None
    ) -> None:
        """gate: of the task. Raises NotemillError if the cohort was never extracted."""
        frozen = read_frozen(layout.frozen(cohort))
        if frozen is None:
            raise NotemillError(
                f"the notes of cohort '{cohort}' were not extracted yet",
                where=str(layout.cohort(cohort)),
                remedy="run `snakemake pilot` with your profile, which asks some of them, and look "
                "again",
            )
        self._layout, self._cohort, self._experiment = layout, cohort, experiment
        self._gate = gate
        self._shards = frozen.cut
        self._id_columns = frozen.id_columns

    def shards(self) -> Iterator[str]:
        """Names of the shards of which something was asked, in order."""
        return filter(self._begun, shard_names(self._shards))

    def check_shard(self, name: str) -> None:
        """Raise NotemillError if there is no shard of this name, or nothing of it was asked."""
        names = shard_names(self._shards)
        if name not in names:
            raise NotemillError(
                f"cohort '{self._cohort}' has no shard {name}",
                where="--shard",
                remedy=f"name one from {names[0]} to {names[-1]}",
            )
        if not self._begun(name):
            begun = ", ".join(islice(self.shards(), _SHARDS_NAMED)) or "there is none yet"
            raise NotemillError(
                f"of shard {name} {self._experiment} has answered nothing yet",
                where="--shard",
                remedy=f"wait for its job, or name a shard with answers: {begun}",
            )

    def of_shard(self, name: str, *, most: int, status: str | None = None) -> Gathered:
        """The first texts of a shard that were asked or settled, at most so many.

        status: only those that ended so.
        """
        outcomes, digests = self._outcomes(name, {})
        wanted = [sha for sha in sorted(outcomes) if status in (None, outcomes[sha].status)]
        chosen = {sha: outcomes[sha] for sha in wanted[:most]}
        return self._gathered({name: chosen}, digests, {}, missing=0)

    def of_texts(
        self, texts: Mapping[str, Wanted], *, most: int, status: str | None = None
    ) -> Gathered:
        """These texts, by their hash (hex), as far as they were asked; as `of_shard` has them."""
        by_shard: dict[str, dict[str, Wanted]] = defaultdict(dict)
        for sha in sorted(texts):
            name = shard_names(self._shards)[shard_of(bytes.fromhex(sha), self._shards)]
            by_shard[name][sha] = texts[sha]
        chosen: dict[str, dict[str, Outcome]] = {}
        digests: set[str] = set()
        left, missing = most, 0
        for name, wanted in by_shard.items():
            outcomes, its_digests = self._outcomes(name, wanted)
            digests |= its_digests
            missing += len(wanted.keys() - outcomes.keys())
            fitting = [
                sha for sha in wanted if sha in outcomes and status in (None, outcomes[sha].status)
            ]
            chosen[name] = {sha: outcomes[sha] for sha in fitting[:left]}
            left -= len(chosen[name])
        return self._gathered(chosen, digests, texts, missing)

    def _gathered(
        self,
        chosen: Mapping[str, Mapping[str, Outcome]],
        digests: set[str],
        texts: Mapping[str, Wanted],
        missing: int,
    ) -> Gathered:
        entries = []
        for name, outcomes in chosen.items():
            for entry in self._entries(name, outcomes):
                wanted = texts.get(entry.text_sha256, Wanted())
                entries.append(replace(entry, why=wanted.why))
        return Gathered(
            entries=entries,
            id_columns=self._id_columns,
            shards=[name for name, outcomes in chosen.items() if outcomes],
            digests=sorted(digests),
            missing=missing,
            failures_known=all(self._answers(name).exists() for name in chosen),
        )

    def _outcomes(
        self, name: str, wanted: Mapping[str, Wanted]
    ) -> tuple[dict[str, Outcome], set[str]]:
        """How a shard's texts ended, only `wanted` ones if there are any, and by which models.

        An answer is newer than a failure, which a job asks again.
        """
        outcomes = {sha: each.failure for sha, each in wanted.items() if each.failure}
        digests = set()
        path = self._answers(name)
        if path.exists():
            digests.add(read_origin(path).model_digest)
            outcomes |= read_failed(path, wanted, settled=True)
        for accepted in self._journal(name):
            its = accepted.key.experiment == self._experiment
            if its and (not wanted or accepted.text_sha256 in wanted):
                outcomes[accepted.text_sha256] = accepted.outcome
                digests.add(accepted.key.model_digest)
        return outcomes, digests

    def _entries(self, name: str, outcomes: Mapping[str, Outcome]) -> Iterator[Entry]:
        """The texts of these outcomes, each once."""
        if not outcomes:
            return
        path = self._layout.notes(self._cohort, cut_name(self._shards), name)
        notes = read_notes(path, self._id_columns, with_text=True)
        for text_sha256, same in groupby(notes, lambda note: note.text_sha256.hex()):
            if text_sha256 in outcomes:
                yield _entry(text_sha256, same, outcomes[text_sha256], self._gate)

    def _begun(self, name: str) -> bool:
        return self._answers(name).exists() or any(
            accepted.key.experiment == self._experiment for accepted in self._journal(name)
        )

    def _answers(self, name: str) -> Path:
        return self._layout.answers(self._cohort, self._experiment, cut_name(self._shards), name)

    def _journal(self, name: str) -> Iterator[Accepted]:
        return accepted_so_far(journal(self._answers(name)))


def _entry(text_sha256: str, same: Iterable[Note], outcome: Outcome, gate: Gate | None) -> Entry:
    """The entry of a text and the notes that say it."""
    text, ids, notes = "", [], 0
    for note in same:
        text = note.text or ""
        notes += 1
        if notes <= _IDS_SHOWN:
            ids.append(note.ids)
    gated = gate.gated(text) if gate else WHOLE
    shown = text[:LONGEST_SHOWN]
    return Entry(text_sha256, shown, len(text), outcome, tuple(ids), notes, gated=gated)

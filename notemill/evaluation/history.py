"""Which experiments were held against which labels, and when: kept beside the figures, private.

A test set stays one as long as no prompt was changed after its figures were seen. Nothing hinders
anyone from looking; this says how often it was done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from notemill.evaluation.gold import Key
from notemill.evaluation.parts import Headline
from notemill.evaluation.record import EarlierUse
from notemill.files import Record, read_json
from notemill.paths import Layout


class Use(BaseModel):
    """An experiment's figures on some labels, as they were first seen.

    notes: a digest of the headline's ids, the same whatever was corrected in their labels.
    """

    model_config = ConfigDict(frozen=True)

    experiment: str
    name: str
    gold_sha256: str
    notes: str
    headline: Headline
    at: str


class History(Record):
    """All uses of an evaluation's labels, the first of each experiment and gold."""

    evaluation: str
    uses: list[Use]


def digest_of(keys: Sequence[Key]) -> str:
    """sha256 of notes' ids, whatever their order."""
    return hashlib.sha256("\n".join(sorted(map(repr, keys))).encode()).hexdigest()


class Past:
    """The uses of all evaluations' labels so far. Raises NotemillError for a file that is none."""

    def __init__(self, layout: Layout, evaluation: str) -> None:
        self._path = layout.evaluation_history(evaluation)
        self._evaluation = evaluation
        folder = self._path.parent
        self._histories = {
            path: read_json(
                History,
                path,
                problem="this file should say which labels were seen when, and does not",
                remedy="bring it back from a backup; or delete it and say in your methods that "
                "earlier uses of the labels are not known",
            )
            for path in sorted(folder.glob(layout.evaluation_history("*").name))
        }

    def first(self, use: Use) -> str:
        """When this experiment's figures on these labels were first seen: before, or `use.at`."""
        ours = [each.at for each in self._alike(use) if each.experiment == use.experiment]
        return min([*ours, use.at])

    def earlier(self, use: Use) -> tuple[list[EarlierUse], list[EarlierUse]]:
        """Other experiments whose figures on these labels were seen before this one's were first:
        of its name, and of other names."""
        before = self.first(use)
        first: dict[str, Use] = {}
        for each in sorted(self._alike(use), key=lambda each: each.at):
            if each.experiment != use.experiment and each.at < before:
                first.setdefault(each.experiment, each)

        def told(same_name: bool) -> list[EarlierUse]:
            return [
                EarlierUse(experiment=each.experiment, at=each.at)
                for each in first.values()
                if (each.name == use.name) == same_name
            ]

        return told(True), told(False)

    def keep(self, uses: Sequence[Use]) -> None:
        """Write down uses that are not known yet."""
        known = list(self._histories[self._path].uses) if self._path in self._histories else []
        there = {_identity(each) for each in known}
        new = [each for each in uses if _identity(each) not in there]
        if new:
            History(evaluation=self._evaluation, uses=[*known, *new]).write(self._path)

    def _alike(self, use: Use) -> list[Use]:
        """Uses of the same labels: under the same name, of the same file, or of the same notes.

        Figures of the development split show nothing of the test's.
        """
        return [
            each
            for history in self._histories.values()
            for each in history.uses
            if (
                history.evaluation == self._evaluation
                or each.gold_sha256 == use.gold_sha256
                or each.notes == use.notes
            )
            and (each.headline != "development" or use.headline == "development")
        ]


def _identity(use: Use) -> tuple[str, ...]:
    return use.experiment, use.gold_sha256, use.notes, use.headline

"""What a check has found: one line each, with where and what to do where something is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from notemill.errors import NotemillError

Level = Literal["ok", "warning", "refusal"]


class Finding(BaseModel):
    """One thing that is as it should be, might cost something, or can't work.

    about: what it is about: configuration, tables, database, Slurm, node.
    details: lines beneath it, such as a table's columns.
    """

    model_config = ConfigDict(frozen=True)

    level: Level
    about: str
    what: str
    where: str = ""
    remedy: str = ""
    details: tuple[str, ...] = ()


class Findings(list[Finding]):
    """The findings about one thing, in the order in which they were made."""

    def __init__(self, about: str, findings: Iterable[Finding] = ()) -> None:
        super().__init__(findings)
        self._about = about

    def ok(self, what: str, details: Iterable[str] = ()) -> None:
        """Something is as it should be."""
        self.append(Finding(level="ok", about=self._about, what=what, details=tuple(details)))

    def warn(self, what: str, *, where: str, remedy: str) -> None:
        """Something works, and may cost more than its user wants."""
        self.append(
            Finding(level="warning", about=self._about, what=what, where=where, remedy=remedy)
        )

    def refuse(self, what: str, *, where: str, remedy: str) -> None:
        """Something can't work."""
        self.append(
            Finding(level="refusal", about=self._about, what=what, where=where, remedy=remedy)
        )

    def refused(self, error: NotemillError, *details: str) -> None:
        """What the workflow itself would refuse, once."""
        if not any((each.what, each.where) == (error.what, error.where or "") for each in self):
            self.append(
                Finding(
                    level="refusal",
                    about=self._about,
                    what=error.what,
                    where=error.where or "",
                    remedy=error.remedy,
                    details=details,
                )
            )


def exit_status(findings: Iterable[Finding]) -> int:
    """1 if anything is refused, else 0."""
    return int(any(finding.level == "refusal" for finding in findings))


def size(count: int) -> str:
    """Bytes as a human reads them."""
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.1f} MiB"

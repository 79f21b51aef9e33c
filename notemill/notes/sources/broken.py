"""Lines that can't be taken: named by file and number, with the reason, never quoted."""

from __future__ import annotations

from collections.abc import Iterable

from notemill.errors import NotemillError

_NAMED = 20
_MOST = 1000


class LineError(ValueError):
    """Why a line can't be taken, without a word of it."""


class BrokenLines:
    """Collects the broken lines of a cohort's files; none of its notes is taken if there is one."""

    def __init__(self, cohort: str, most: int = _MOST) -> None:
        self._cohort = cohort
        self._most = most
        self._named: list[str] = []
        self._count = 0
        self.file = ""
        """The file that is read."""

    def add(self, number: int, reason: LineError | str, *, what: str = "line") -> None:
        """Keep a line for the message. Raises it when there are too many to go on."""
        self._count += 1
        if self._count <= _NAMED:
            self._named.append(f"    {self.file}, {what} {number}: {reason}")
        if self._count >= self._most:
            raise self._error(f"{self._count} lines, and maybe more,")

    def refuse(self) -> None:
        """Raise NotemillError if there is any."""
        if self._count:
            raise self._error("1 line" if self._count == 1 else f"{self._count} lines")

    def _error(self, which: str) -> NotemillError:
        more = self._count - len(self._named)
        return NotemillError(
            f"{which} of the files of cohort '{self._cohort}' can't be taken:\n"
            + "\n".join([*self._named, *([f"    and {more} more"] if more else [])]),
            where=f"cohorts.{self._cohort}.files",
            remedy="correct these lines, or take them out, and run again; no note was taken. "
            "`sed -n 17p FILE` shows line 17 (of a packed file: zcat FILE or zstdcat FILE before "
            "it)",
        )


def some(names: Iterable[str]) -> str:
    """Names of columns for an error, the first ones."""
    listed = list(names)
    return ", ".join(listed[:30]) + (", ..." if len(listed) > 30 else "")

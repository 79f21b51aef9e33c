"""A row of a source, and what is wanted of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from notemill.config import Cohort
from notemill.config.cohort import FILE


class SourceRow(NamedTuple):
    """A note as a file has it.

    number: of the line, the first one is 1 (a record of CSV has that in which it begins, the header
    counts); in Parquet of the row. ids: values of the id columns, just those that the notes shards
    have. text: None for null. whole: all that the file has of it, if that is wanted: of JSON lines
    the line as it stands, without its line end; else a value for each column.
    """

    number: int
    ids: tuple[Any, ...]
    text: str | None
    whole: str | dict[str, Any] | None


@dataclass(frozen=True)
class Wanted:
    """What is read of a file. name: its own; whole: what `SourceRow.whole` says."""

    cohort: str
    name: str
    ids: list[str]
    text: str
    numbered: bool
    messages: bool
    whole: bool

    def place(self, line: int) -> tuple[Any, ...]:
        """The ids of a line that has none of its own."""
        return (self.name, line) if FILE in self.ids else (line,)


def apart(names: list[str]) -> list[str]:
    """Names of columns, of which those that stand there again get a number: x, x_2, x_3."""
    found: dict[str, None] = {}
    for name in names:
        free, number = name, 1
        while free in found or (number > 1 and free in names):
            number += 1
            free = f"{name}_{number}"
        found[free] = None
    return [*found]


def wanted_of(name: str, cohort: Cohort, file: str, *, whole: bool) -> Wanted:
    """What a cohort wants of one of its files."""
    return Wanted(
        name,
        file,
        cohort.id_columns,
        cohort.text_column,
        cohort.numbered,
        cohort.messages,
        whole,
    )

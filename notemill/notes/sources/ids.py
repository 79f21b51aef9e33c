"""Ids as files have them: of one kind in all files, each whole and fit to name a note."""

from __future__ import annotations

from typing import Any

from notemill.database.keys import INT64, LONGEST_IN_ROW, IdColumn, IdKind
from notemill.errors import NotemillError
from notemill.notes.sources.broken import LineError

_KINDS: dict[type, IdKind] = {int: "integer", str: "text"}
"""What JSON has."""


class Ids:
    """The id columns of a cohort's files: fixed by the first file, or by JSON's first line."""

    def __init__(self, cohort: str, names: list[str]) -> None:
        self._cohort = cohort
        self._names = names
        self._first_file = ""
        self.columns: list[IdColumn] = []
        """Empty before the first row."""

    def hold(self, columns: list[IdColumn], file: str) -> None:
        """Fix the columns, or hold these to what they are. Raises NotemillError."""
        if not self.columns:
            self.columns, self._first_file = columns, file
        for first, other in zip(self.columns, columns, strict=True):
            if (first.kind, first.scale) != (other.kind, other.scale):
                raise NotemillError(
                    f"id column '{first.name}' of cohort '{self._cohort}' is {_told(first)} in "
                    f"{self._first_file} and {_told(other)} in {file}",
                    where=f"cohorts.{self._cohort}.id_columns",
                    remedy="write the files with one type of it, or put them into two cohorts",
                )

    def check(self, values: tuple[Any, ...]) -> None:
        """Raise LineError for ids that are not as they must be."""
        for name, value in zip(self._names, values, strict=True):
            if value is None or value == "":
                raise LineError(f"its {name} is empty")
            if isinstance(value, str):
                if len(value) > LONGEST_IN_ROW:
                    raise LineError(f"its {name} has more than {LONGEST_IN_ROW} characters")
                check_written(value, name)

    def check_json(self, values: tuple[Any, ...], file: str) -> None:
        """The same of a line of JSON, whose first one fixes the columns if nothing has."""
        for name, value in zip(self._names, values, strict=True):
            if value is not None and type(value) not in _KINDS:
                raise LineError(
                    f"its {name} is {_json_type(value)}; an id is a text or a whole number"
                )
            if type(value) is int and value not in INT64:
                raise LineError(f"its {name} is a number beyond 64 bits; write it as text")
        self.check(values)
        if not self.columns:
            pairs = zip(self._names, values, strict=True)
            columns = [IdColumn(name=name, kind=_KINDS[type(value)]) for name, value in pairs]
            self.hold(columns, file)
        for column, value in zip(self.columns, values, strict=True):
            if _KINDS[type(value)] != column.kind:
                raise LineError(
                    f"its {column.name} is {_json_type(value)}, and {_told(column)} in the lines "
                    "before"
                )


def check_written(text: str, name: str) -> None:
    """Raise LineError for half a character, as JSON's escapes can write one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise LineError(f"its {name} has half of a surrogate pair (\\ud800 to \\udfff)") from None


def _told(column: IdColumn) -> str:
    scale = f" with {column.scale} digits after the point" if column.scale is not None else ""
    return f"{column.kind}{scale}"


def _json_type(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true or false"
    names = {
        int: "a number",
        float: "a number with a point or an exponent",
        str: "text",
        list: "a list",
    }
    return names.get(type(value), "an object")

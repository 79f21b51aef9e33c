"""The gold, read whole and held to what it must be before anything is computed with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from notemill.config import Database, Evaluation
from notemill.database.connect import connect, thrown_away
from notemill.database.keys import IdColumn
from notemill.database.refusals import database_errors
from notemill.database.waiting import when_there
from notemill.errors import NotemillError
from notemill.evaluation.cells import CellError, id_value, is_empty, label_of
from notemill.evaluation.fields import Shape
from notemill.evaluation.source import Cells, cells_of_rows, read_file, told_rows, wanted_columns
from notemill.logs import log
from notemill.notes.query import streamed
from notemill.notes.text import UndecodedText

SPLITS = ("development", "test")
_MOST_SUBGROUPS = 100
_LONGEST_VALUE = 255
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Gold:
    """Labels of notes, each named once. keys: ids, in the order of the rows, as the cohort's are.

    rows: each one's number, for errors; patients, split: of each, None where no column says;
    subgroups: values by column, '' for an empty cell; where: the file or the key of the query.
    """

    keys: list[Key]
    rows: list[int]
    cells: dict[str, list[Any]]
    patients: list[str] | None
    split: list[str] | None
    subgroups: dict[str, list[str]]
    sha256: str
    where: str

    def labels(self, column: str, shape: Shape) -> list[Any]:
        """Labels of a field in the form of `cells.label_of`. Raises NotemillError."""
        problems = Problems(self.where)
        of = partial(label_of, shape=shape)
        values = problems.read(column, self.cells[column], self.rows, of)
        problems.refuse()
        return values

    def among(self, places: np.ndarray) -> Gold:
        """The gold of some rows, by their places."""

        def some(values: list[Any]) -> list[Any]:
            return [values[place] for place in places]

        return Gold(
            keys=some(self.keys),
            rows=some(self.rows),
            cells={name: some(values) for name, values in self.cells.items()},
            patients=None if self.patients is None else some(self.patients),
            split=None if self.split is None else some(self.split),
            subgroups={name: some(values) for name, values in self.subgroups.items()},
            sha256=self.sha256,
            where=self.where,
        )


def read_gold(
    database: Database | None, name: str, evaluation: Evaluation, ids: list[IdColumn]
) -> Gold:
    """The gold of an evaluation, ids in the cohort's kinds. database: for one that is a query.

    Raises NotemillError for a file or query that can't be read, a column that is not there, and
    cells that can't be taken, with their rows: ids, patients, splits, ids named twice.
    """
    wanted = wanted_columns(evaluation, [column.name for column in ids])
    if evaluation.file is not None:
        where = str(evaluation.file)
        cells = read_file(name, Path(evaluation.file), wanted)
    else:
        assert database is not None
        where = f"evaluations.{name}.query"
        cells = _read_query(database, name, evaluation.query or "", wanted, where)
    if not cells.rows:
        raise NotemillError(
            f"the gold of evaluation '{name}' has no row", where=where, remedy="name one that has"
        )
    log.info("gold of evaluation '%s': %d rows", name, len(cells.rows))
    problems = Problems(where)
    keys = [
        problems.read(
            column.name,
            cells.columns[column.name],
            cells.rows,
            partial(id_value, column=column),
        )
        for column in ids
    ]

    def more(column: str | None, of: Callable[[Any], str]) -> list[str] | None:
        return problems.read(column, cells.columns[column], cells.rows, of) if column else None

    patients = more(evaluation.patient, _patient)
    split = more(evaluation.split, _split)
    subgroups = {column: more(column, _value) or [] for column in evaluation.subgroups}
    problems.refuse()
    gold = Gold(
        keys=list(zip(*keys, strict=True)),
        rows=cells.rows,
        cells={column: cells.columns[column] for column in evaluation.fields.values()},
        patients=patients,
        split=split,
        subgroups=subgroups,
        sha256=cells.sha256,
        where=where,
    )
    _refuse_twice(gold, cells)
    _refuse_many(gold)
    return gold


class Problems:
    """Cells that can't be taken: by column and reason, the rows. No value is told: it is data."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._rows: dict[tuple[str, str], list[int]] = {}

    def add(self, column: str, reason: str, row: int) -> None:
        self._rows.setdefault((column, reason), []).append(row)

    def read(
        self, column: str, cells: Sequence[Any], rows: Sequence[int], of: Callable[[Any], Any]
    ) -> list[Any]:
        """What each cell holds; a problem's place holds None."""
        values = []
        for cell, row in zip(cells, rows, strict=True):
            try:
                values.append(of(cell))
            except CellError as error:
                self.add(column, str(error), row)
                values.append(None)
        return values

    def refuse(self) -> None:
        """Raise NotemillError if there is any."""
        if self._rows:
            lines = [
                f"    {column}: {reason}; {len(rows)} rows: {told_rows(rows)}"
                if len(rows) > 1
                else f"    {column}: {reason}; row {rows[0]}"
                for (column, reason), rows in self._rows.items()
            ]
            raise NotemillError(
                "the gold has cells that can't be taken:\n" + "\n".join(lines),
                where=self._where,
                remedy="correct these rows (of a CSV the header is row 1) and run again; nothing "
                "was computed",
            )


def _read_query(
    database: Database, name: str, query: str, wanted: Sequence[str], where: str
) -> Cells:
    doing = f"reading the gold of evaluation '{name}'"
    return when_there(database, doing, lambda: _read_once(database, doing, query, wanted, where))


def _read_once(
    database: Database, doing: str, query: str, wanted: Sequence[str], where: str
) -> Cells:
    with database_errors(database, doing, query_of=where):
        engine = connect(database)
        try:
            with thrown_away(engine) as connection:
                rows = streamed(connection, query)
                if not rows.returns_rows:
                    raise NotemillError(
                        "the query gives no rows, because it asks for none",
                        where=where,
                        remedy="write one SELECT as the query",
                    )
                decoded = ([_decoded(value) for value in row] for row in rows)
                return cells_of_rows(list(rows.keys()), decoded, wanted, where)
        finally:
            engine.dispose()


def _decoded(value: Any) -> Any:
    """SQLite's texts come undecoded; one that is not UTF-8 matches no id and no choice."""
    return value.decode("utf-8", errors="replace") if isinstance(value, UndecodedText) else value


def _patient(cell: Any) -> str:
    if is_empty(cell):
        raise CellError("is empty: whose note it is must be known of all, or of none")
    return _value(cell)


def _split(cell: Any) -> str:
    value = _value(cell).lower()
    if value not in SPLITS:
        raise CellError(f"is neither {SPLITS[0]} nor {SPLITS[1]}")
    return value


def _value(cell: Any) -> str:
    """A value as text: 2024 of 2024.0, which is what a column with gaps makes of it."""
    if is_empty(cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = str(cell).strip()
    if len(text) > _LONGEST_VALUE:
        raise CellError(f"is longer than {_LONGEST_VALUE} characters")
    return text


def _refuse_twice(gold: Gold, cells: Cells) -> None:
    first: dict[Key, int] = {}
    problems = Problems(gold.where)
    for place, key in enumerate(gold.keys):
        before = first.setdefault(key, place)
        if before != place:
            same = all(values[place] == values[before] for values in cells.columns.values())
            how = "the same" if same else "other"
            problems.add(
                "ids", f"name a note that an earlier row names, with {how} values", gold.rows[place]
            )
    problems.refuse()


def _refuse_many(gold: Gold) -> None:
    for column, values in gold.subgroups.items():
        if len(set(values)) > _MOST_SUBGROUPS:
            raise NotemillError(
                f"column {column} has {len(set(values))} values, too many for subgroups "
                f"({_MOST_SUBGROUPS} at most)",
                where=gold.where,
                remedy="take it out of `subgroups`, or put its values into groups",
            )

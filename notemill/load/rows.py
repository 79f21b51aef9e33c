"""A load's rows, from the result shards to what is bound into a statement, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from notemill.answers.shard import REMEDY, read_answers
from notemill.database.keys import SEQUENCE
from notemill.errors import NotemillError

ROWS_A_BATCH = 2000


@dataclass(frozen=True)
class Batch:
    """Some rows of the result shards. first: number of the first one; columns: values by name."""

    first: int
    columns: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(self.columns["status"])

    def records(self) -> list[dict[str, Any]]:
        """The rows as the staging table takes them."""
        names = [SEQUENCE, *self.columns]
        numbers = range(self.first, self.first + len(self))
        rows = zip(numbers, *self.columns.values(), strict=True)
        return [dict(zip(names, row, strict=True)) for row in rows]


Batches = Callable[[], Iterator[Batch]]
"""All rows of a load, from the beginning at each call, always in the same order."""


def batches_of(shards: list[Path], names: list[str]) -> Iterator[Batch]:
    """Rows of the result shards with the columns `names`, numbered from 0."""
    first = 0
    for path in shards:
        for read in read_answers(path, ROWS_A_BATCH):
            if missing := set(names) - set(read.schema.names):
                raise NotemillError(
                    f"this result shard lacks the columns {', '.join(sorted(missing))}",
                    where=str(path),
                    remedy=REMEDY,
                )
            yield Batch(first, {name: _values(read.column(name)) for name in names})
            first += read.num_rows


def _values(column: pa.Array) -> list[Any]:
    """Python values as a table holds them: times without their zone, which is UTC, and no -0.0.

    Neither MariaDB nor SQLite keeps the sign of a zero; it is the same number.
    """
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us"))
    elif pa.types.is_floating(column.type):
        column = pc.add(column, 0.0)
    values: list[Any] = column.to_pylist()
    return values

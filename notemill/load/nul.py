"""A NUL character, which no text of PostgreSQL holds: the note keeps its one row, and is told.

Its answer can't be stored as it is, and is not changed: the note is a failure there, whose detail
names the column. In the journal and the result shard the answer stays what it was.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from notemill.answers.verdict import Status
from notemill.errors import NotemillError
from notemill.load.lines import bytes_of

_WHY = "nul_character"
_DETAIL = 1024
"""Characters of it that are told."""


def without_nul(
    batch: pa.RecordBatch, ids: Collection[str], answers: Collection[str]
) -> tuple[pa.RecordBatch, int]:
    """The batch with failures in the place of answers that hold a NUL; how many those are.

    batch: of a result shard. ids, answers: the columns of it that name the note, and that a
    failure has not. Raises NotemillError for an id with a NUL.
    """
    details: dict[int, str] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        for row in _rows_with_nul(column):
            if name in ids:
                raise NotemillError(
                    f"an id in column '{name}' holds a NUL character, which PostgreSQL can't store",
                    where=f"id_columns: {name}",
                    remedy="leave that note out of a cohort of another name; nothing was changed",
                )
            if name in answers:
                details[row] = f"{details[row]}; " if row in details else ""
                details[row] += f"{name}: {_WHY}"
    told = np.zeros(batch.num_rows, dtype=bool)
    told[list(details)] = True
    gone = pa.array(told)
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name == "status":
            column = pc.if_else(gone, pa.scalar(Status.SCHEMA.value, column.type), column)
        elif name == "detail":
            said = pa.array(
                [details.get(row, "")[:_DETAIL] for row in range(batch.num_rows)], column.type
            )
            column = pc.if_else(gone, said, column)
            column = pc.replace_substring(column, "\0", "\\0")  # our own words
        elif name in answers:
            column = pc.if_else(gone, pa.scalar(None, column.type), column)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema), len(details)


def _rows_with_nul(column: Any) -> list[int]:
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return []
    column = column.cast(pa.large_string())
    if b"\0" not in bytes_of(column).tobytes():
        return []
    there = pc.match_substring(column, "\0").fill_null(False)
    return [int(row) for row in np.flatnonzero(there.to_numpy(zero_copy_only=False))]

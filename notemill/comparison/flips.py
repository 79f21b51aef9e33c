"""The notes whose answers differ, by their ids: a private table beside the comparison's record.

Parquet, so that ids keep their types and values: a spreadsheet would make dates and numbers of
them, and formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from notemill.comparison.pairs import Texts
from notemill.database.keys import IdColumn
from notemill.files import written_whole
from notemill.notes.shard import id_fields

_OWN = ("field", "first", "second")


class Flips:
    """Writes a row for each note and field that differ. notes: that have such a row."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema
        self.notes = 0

    def add(
        self,
        texts: Texts,
        by_field: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
        labels: dict[str, list[str]],
    ) -> None:
        """by_field: of each text whether its notes flip, and the codes of both answers."""
        any_field = np.zeros(len(texts.starts), bool)
        for field, (flips, *codes) in by_field.items():
            any_field |= flips
            chosen = np.flatnonzero(texts.spread(flips))
            if not len(chosen):
                continue
            ids = texts.notes.take(chosen).select(self._schema.names[: -len(_OWN)])
            said = [_said(texts.spread(each)[chosen], labels[field]) for each in codes]
            columns = [*ids.columns, pa.array([field] * len(chosen), pa.string()), *said]
            self._writer.write_table(pa.table(columns, schema=self._schema))
        self.notes += int(texts.sizes[any_field].sum())


@contextmanager
def flips_file(path: Path, ids: list[IdColumn]) -> Iterator[Flips]:
    """The file, which appears whole on leaving."""
    taken = {column.name.lower() for column in ids}
    own = [name if name not in taken else f"{name}_" for name in _OWN]
    schema = pa.schema([*id_fields(ids), *(pa.field(name, pa.string()) for name in own)])
    with written_whole(path) as partial:
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            yield Flips(writer, schema)


def _said(codes: np.ndarray, labels: list[str]) -> pa.Array:
    """What codes stand for; nothing for a field without choices, whose values are answers."""
    if not labels:
        return pa.nulls(len(codes), pa.string())
    return pa.array(labels, pa.string()).take(pa.array(codes))

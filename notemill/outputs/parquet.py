"""Rows as Parquet: every type as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from notemill.outputs.forms import Form

_GROUP_BYTES = 16 << 20
_GROUP_ROWS = 1 << 16
_ROWS_READ = 4096


class Parquet(Form):
    """Columns with their own types; lists and nested objects of an answer as JSON text."""

    def write(self, place: Path, batches: Iterator[pa.RecordBatch]) -> None:
        with pq.ParquetWriter(
            place, self.schema, compression="zstd", write_page_checksum=True
        ) as writer:
            for group in _groups(batches):
                writer.write_table(pa.Table.from_batches(group, schema=self.schema))

    def read(self, place: Path) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(place, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=_ROWS_READ, use_threads=False):
                if batch.schema != self.schema:
                    raise ValueError("other columns")
                yield batch


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches for row groups, some in memory at once."""
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        large = sum(each.nbytes for each in group) >= _GROUP_BYTES
        if large or sum(each.num_rows for each in group) >= _GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group

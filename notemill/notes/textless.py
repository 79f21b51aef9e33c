"""A notes shard without its texts."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from notemill.errors import NotemillError
from notemill.files import written_whole
from notemill.notes.shard import CHARACTERS, PURGED, READ_ANEW, readable_parquet


def write_without_texts(path: Path) -> None:
    """Put in a notes shard's place the same without texts: ids, hashes, states, lengths, rows.

    Whole or not at all, and read back before. Raises NotemillError for a file that is damaged.
    """
    with readable_parquet(path, remedy=READ_ANEW) as file, written_whole(path) as partial:
        kept = [name for name in file.schema_arrow.names if name != "text"]
        fields = [file.schema_arrow.field(name) for name in kept]
        schema = pa.schema([*fields, pa.field(CHARACTERS, pa.int64())])
        marked = schema.with_metadata({**(file.schema_arrow.metadata or {}), PURGED: b"texts"})
        with pq.ParquetWriter(
            partial, marked, compression="zstd", write_page_checksum=True
        ) as writer:
            for group in range(file.num_row_groups):
                lengths = pc.utf8_length(_group(file, group, ["text"])["text"])
                notes = _group(file, group, kept).append_column(CHARACTERS, lengths)
                writer.write_table(notes.cast(marked))
        with readable_parquet(partial, remedy=READ_ANEW) as written:
            groups = range(file.num_row_groups)
            same = written.num_row_groups == len(groups) and all(
                _group(written, group, kept).equals(_group(file, group, kept)) for group in groups
            )
        if not same:
            raise NotemillError(
                "the notes shard without texts is not the same as it was with them",
                where=str(path),
                remedy="nothing was changed in it; run notemill purge again, and report it if it "
                "happens again",
            )


def _group(file: pq.ParquetFile, group: int, columns: list[str]) -> pa.Table:
    return file.read_row_group(group, columns=columns, use_threads=False).select(columns)

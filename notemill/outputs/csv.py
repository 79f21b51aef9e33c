"""Rows as CSV that a spreadsheet program opens and takes for what it is: text.

UTF-8 with its mark, commas, every text in quotes, an empty cell without them for null. What a
program would take for a formula gets an apostrophe before it (docs/outputs.md): where a text, or
what stands in it behind a separator or a line's end, begins with = + - or @, blanks and quotes
passed over; and where it begins with apostrophes before such a sign, so that taking one away there
gives the text back, whatever it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from notemill.outputs.forms import Form

_MARK = b"\xef\xbb\xbf"
_TIME = "%Y-%m-%dT%H:%M:%S"
_BEGIN = r"(^|[\t\n\r,;|])([ \"]*)"
_SIGN = r"[=+\-@＝＋－＠]"
_TELLING = rf"{_BEGIN}('*{_SIGN})"
_TOLD = rf"{_BEGIN}'('*{_SIGN})"
_LEAST_BLOCK = 1 << 20


class Csv(Form):
    """Texts are as they are but for the apostrophes; bytes as hexadecimal digits."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        super().__init__(path, schema)
        self._longest = 0

    def write(self, place: Path, batches: Iterator[pa.RecordBatch]) -> None:
        written = pa.schema([(field.name, _as_written(field.type)) for field in self.schema])
        with self.writing(place) as stream:
            stream.write(_MARK)
            head = pa.BufferOutputStream()
            arrow_csv.write_csv(written.empty_table(), head)
            stream.write(head.getvalue())
            for batch in batches:
                cells = [_cells(column) for column in batch.columns]
                lines = pa.BufferOutputStream()
                arrow_csv.write_csv(
                    pa.RecordBatch.from_arrays(cells, schema=written),
                    lines,
                    arrow_csv.WriteOptions(include_header=False),
                )
                block = lines.getvalue()
                self._longest = max(self._longest, block.size)
                stream.write(block)

    def read(self, place: Path) -> Iterator[pa.RecordBatch]:
        types = {
            field.name: pa.string() if pa.types.is_binary(field.type) else field.type
            for field in self.schema
        }
        with (
            self.reading(place) as stream,
            arrow_csv.open_csv(
                stream,
                # A row must fit into a block; no row is longer than the longest batch.
                arrow_csv.ReadOptions(
                    use_threads=False, block_size=max(_LEAST_BLOCK, 2 * self._longest)
                ),
                arrow_csv.ParseOptions(newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    column_types=types,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            ) as rows,
        ):
            if rows.schema.names != self.schema.names:
                raise ValueError("other columns")
            for batch in rows:
                columns = [
                    _value(column, field.type)
                    for column, field in zip(batch.columns, self.schema, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=self.schema)


def guarded(texts: pa.Array) -> pa.Array:
    """Texts in which a spreadsheet program sees no formula."""
    return _replaced(texts, _TELLING, r"\1\2'\3")


def unguarded(texts: pa.Array) -> pa.Array:
    """The texts that `guarded` was given."""
    return _replaced(texts, _TOLD, r"\1\2\3")


def _replaced(texts: pa.Array, pattern: str, by: str) -> pa.Array:
    return pc.replace_substring_regex(texts, pattern=pattern, replacement=by)


def _as_written(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_binary(kind) or pa.types.is_timestamp(kind):
        return pa.string()
    return kind


def _cells(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return guarded(column)
    if pa.types.is_binary(kind):
        texts = [value if value is None else value.hex() for value in column.to_pylist()]
        return pa.array(texts, pa.string())
    if pa.types.is_timestamp(kind):
        return pc.strftime(column, _TIME + ("Z" if kind.tz else ""))
    return column


def _value(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return unguarded(column)
    if pa.types.is_binary(kind):
        values = [text if text is None else bytes.fromhex(text) for text in column.to_pylist()]
        return pa.array(values, kind)
    return column

"""Two streams of rows side by side, in pieces of the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


class Steps:
    """Pieces of two streams, as many rows of one as of the other.

    left_over: rows that one of them has beyond the other, once all pieces are taken.
    """

    def __init__(self, one: Iterator[pa.RecordBatch], other: Iterator[pa.RecordBatch]) -> None:
        self._streams = one, other
        self.left_over = 0

    def __iter__(self) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
        one, other = map(_next, self._streams)
        while one is not None and other is not None:
            rows = min(one.num_rows, other.num_rows)
            yield one.slice(0, rows), other.slice(0, rows)
            one, other = (
                head.slice(rows) if rows < head.num_rows else _next(stream)
                for head, stream in zip((one, other), self._streams, strict=True)
            )
        for head, stream in zip((one, other), self._streams, strict=True):
            self.left_over += head.num_rows if head is not None else 0
            self.left_over += sum(batch.num_rows for batch in stream)


def _next(stream: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    """The stream's next batch that has rows."""
    return next((batch for batch in stream if batch.num_rows), None)

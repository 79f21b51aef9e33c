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
        heads = [_next(stream) for stream in self._streams]
        while heads[0] is not None and heads[1] is not None:
            rows = min(heads[0].num_rows, heads[1].num_rows)
            yield heads[0].slice(0, rows), heads[1].slice(0, rows)
            for number, head in enumerate(heads):
                rest = head.slice(rows)
                heads[number] = rest if rest.num_rows else _next(self._streams[number])
        for head, stream in zip(heads, self._streams, strict=True):
            while head is not None:
                self.left_over += head.num_rows
                head = _next(stream)


def _next(stream: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    """The stream's next batch that has rows."""
    return next((batch for batch in stream if batch.num_rows), None)

"""Rows in runs of bounded size, so that memory holds a few texts whatever their lengths."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def text_sizes(notes: pa.Table) -> np.ndarray:
    """Bytes of each row's text, 0 for NULL; 64-bit numbers."""
    sizes: np.ndarray = pc.fill_null(pc.binary_length(notes["text"]), 0).to_numpy()
    return sizes.astype(np.int64)


def runs(sizes: np.ndarray, most_bytes: int, most_rows: int) -> Iterator[tuple[int, int]]:
    """Beginnings and ends of runs of rows with so many bytes and rows at most, one row at least.

    They depend on the rows from the first one on, not on how many come behind.
    """
    ends = np.cumsum(sizes)
    start, before = 0, 0
    while start < len(sizes):
        fitting = int(np.searchsorted(ends, before + most_bytes, side="right"))
        stop = min(max(fitting, start + 1), start + most_rows)
        yield start, stop
        start, before = stop, int(ends[stop - 1])

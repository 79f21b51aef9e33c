"""Finds ids that come with different texts, over the whole cohort, in little memory.

Texts decide the shard, so one id's texts lie in different shards; here the rows meet again by a
hash of their ids. 40 bytes a row go to disk, and one part of them to memory at a time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

import numpy as np

from notemill.files import explained, private_folder

_PARTS = 64
_RECORD = np.dtype([("id", "V16"), ("text", "V16"), ("sequence", "<u8")])
_EXAMPLES = 5


class IdConflicts:
    """Takes every row's ids and text hash; tells which ids have more than one text."""

    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder / f".spool-ids-{os.uname().nodename}-{os.getpid()}")
        self._parts: list[BinaryIO] = [
            (self._folder / str(part)).open("wb", buffering=1 << 16) for part in range(_PARTS)
        ]

    def __enter__(self) -> IdConflicts:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for part in self._parts:
            with suppress(OSError):  # what a full disk refused was told before
                part.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, sequence: int, ids: tuple[Any, ...], text_sha256: bytes) -> None:
        """Take a row; sequence is its number in the query's order."""
        key = hashlib.blake2b(repr(ids).encode(), digest_size=16).digest()
        record = key + text_sha256[:16] + sequence.to_bytes(8, "little")
        with explained(self._folder):
            self._parts[key[0] % _PARTS].write(record)

    def examples(self) -> tuple[list[int], int]:
        """Rows of some ids with different texts, one row an id, and the number of such ids."""
        rows: list[int] = []
        count = 0
        for group in self._conflicting():
            count += 1
            if len(rows) < _EXAMPLES:
                rows.append(int(group["sequence"][0]))
        return rows, count

    def rows_to_drop(self, keep: Literal["first", "last"]) -> set[int]:
        """Rows whose text is not that of their id's first (or last) row in the query's order."""
        dropped: set[int] = set()
        for group in self._conflicting():
            kept = group[0 if keep == "first" else -1]
            dropped.update(int(row["sequence"]) for row in group if row["text"] != kept["text"])
        return dropped

    def _conflicting(self) -> Iterator[np.ndarray]:
        """Records of each id with different texts, in the query's order."""
        for part in self._parts:
            with explained(Path(part.name)):
                part.flush()
            records = np.fromfile(part.name, dtype=_RECORD)
            ids = _words(records["id"])
            order = np.lexsort((records["sequence"], ids[:, 1], ids[:, 0]))
            records, ids, texts = records[order], ids[order], _words(records["text"])[order]
            same_id = np.all(ids[1:] == ids[:-1], axis=1)
            other_text = np.any(texts[1:] != texts[:-1], axis=1)
            starts = np.flatnonzero(np.concatenate(([True], ~same_id)))
            # The group that each clash lies in: the last start at or before it.
            groups = np.unique(
                np.searchsorted(starts, np.flatnonzero(same_id & other_text), side="right") - 1
            )
            ends = np.append(starts[1:], len(records))
            for group in groups:
                yield records[starts[group] : ends[group]]


def _words(keys: np.ndarray) -> np.ndarray:
    """16-byte keys as two columns of 64-bit words, which sort and compare."""
    return np.frombuffer(keys.tobytes(), dtype="<u8").reshape(-1, 2)

"""A shard's distinct texts: how long each is, and all of them with the longest first.

However long the texts are, a bounded part of them is in memory: where that does not hold all, the
shard is read once for each range of lengths, and within a range the order holds for as many texts
as fit. So the texts that come last are short in any case, which is what the end of a job needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from notemill.errors import NotemillError
from notemill.notes.shard import READ_ANEW, must_have_texts, readable_parquet
from notemill.notes.text import TextState

_HELD_BYTES = 64 << 20
"""Of texts in memory beside the row group that is read."""
_MOST_READS = 16
"""Of one shard, so that no shard is read for hours."""


def text_bytes(path: Path) -> dict[str, int]:
    """Bytes (UTF-8) of each text that can be asked about, by its hash (hex), in their order.

    Raises NotemillError for a file that is damaged.
    """
    found: dict[str, int] = {}
    with readable_parquet(path, remedy=READ_ANEW) as file:
        must_have_texts(file, path)
        for group in range(file.num_row_groups):
            table = _group(file, group, ["text", "text_sha256", "text_state"])
            table = table.filter(pc.equal(table["text_state"], TextState.OK.value))
            sizes = pc.binary_length(table["text"]).to_pylist()
            hashes = (sha.hex() for sha in table["text_sha256"].to_pylist())
            found.update(zip(hashes, sizes, strict=True))
    return found


def read_texts(path: Path, wanted: Container[str]) -> Iterator[tuple[str, str]]:
    """The wanted texts (by hash, hex) in the order of their hashes, each once and held to its hash.

    Raises NotemillError for a file that is damaged.
    """
    last = ""
    with readable_parquet(path, remedy=READ_ANEW) as file:
        must_have_texts(file, path)
        for group in range(file.num_row_groups):
            states = _group(file, group, ["text_sha256", "text_state"]).to_pydict()
            rows = []
            for row, (sha, state) in enumerate(
                zip(states["text_sha256"], states["text_state"], strict=True)
            ):
                text_sha256 = sha.hex()
                if state == TextState.OK and text_sha256 != last and text_sha256 in wanted:
                    last = text_sha256  # equal texts are neighbours
                    rows.append((row, text_sha256))
            if rows:
                texts = _group(file, group, ["text"])["text"]
                for row, text_sha256 in rows:
                    yield text_sha256, _held(texts[row], text_sha256, path)


def longest_first(path: Path, sizes: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Texts (by hash, hex, with their bytes) from the longest to the shortest, each once."""
    for range_of_lengths in _ranges(sizes):
        wanted = set(range_of_lengths)
        held: list[tuple[str, str]] = []
        size = 0
        for text_sha256, text in read_texts(path, wanted):
            held.append((text_sha256, text))
            size += sizes[text_sha256]
            if size >= _HELD_BYTES:
                yield from _emptied(held, sizes)
                size = 0
        yield from _emptied(held, sizes)


def _ranges(sizes: dict[str, int]) -> Iterable[list[str]]:
    """The hashes from the longest text to the shortest, in parts of about as many bytes."""
    part_bytes = max(_HELD_BYTES, -(-sum(sizes.values()) // _MOST_READS))
    part: list[str] = []
    size = 0
    for text_sha256 in sorted(sizes, key=lambda sha: (-sizes[sha], sha)):
        if part and size + sizes[text_sha256] > part_bytes:
            yield part
            part, size = [], 0
        part.append(text_sha256)
        size += sizes[text_sha256]
    if part:
        yield part


def _emptied(held: list[tuple[str, str]], sizes: dict[str, int]) -> Iterator[tuple[str, str]]:
    """What is held, the longest first; each leaves the memory as it is given."""
    held.sort(key=lambda text: (-sizes[text[0]], text[0]), reverse=True)
    while held:
        yield held.pop()


def _group(file: pq.ParquetFile, group: int, columns: list[str]) -> pa.Table:
    return file.read_row_group(group, columns=columns, use_threads=False)


def _held(value: Any, text_sha256: str, path: Path) -> str:
    text: str = value.as_py()
    if hashlib.sha256(text.encode()).hexdigest() != text_sha256:
        raise NotemillError(
            "this notes shard holds a text that is not the one it was",
            where=str(path),
            remedy=READ_ANEW,
        )
    return text

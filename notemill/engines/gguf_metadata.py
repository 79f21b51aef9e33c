"""The metadata at the head of a GGUF file: what notemill must know of a model's vocabulary.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The file is mapped, so that of
weights of any size only the head is read.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any

from notemill.errors import EngineRefused
from notemill.files import explained

_MAGIC = b"GGUF"
_SCALARS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
"""Value types that are one number, as `struct` names them."""
_STRING, _ARRAY = 8, 9
_DEEPEST = 4
_VERSIONS = (2, 3)


def is_gguf(path: Path) -> bool:
    """Whether the file begins as a GGUF does."""
    with explained(path), path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def gguf_metadata(path: Path, keys: Collection[str]) -> dict[str, Any]:
    """Values of these keys, as far as the file has them: numbers, bytes for text, lists of them.

    Raises EngineRefused for a file whose head is cut or damaged.
    """
    with explained(path), path.open("rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _Head(content).values(keys)
        except (ValueError, struct.error):
            raise EngineRefused(
                "the model's weights are damaged: the head of the GGUF file can't be read",
                where=str(path),
                remedy="get the file again, and compare its sha256 with the publisher's",
            ) from None


class _Head:
    """A place in the file's head that moves on as values are read."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = len(_MAGIC)
        self._order = "<"
        version = self._number("I")
        if version > 0xFFFF:  # written by a big-endian machine
            self._order = ">"
            self._at = len(_MAGIC)
            version = self._number("I")
        if content[: len(_MAGIC)] != _MAGIC or version not in _VERSIONS:
            raise ValueError("no GGUF of a known version")

    def values(self, keys: Collection[str]) -> dict[str, Any]:
        self._number("Q")  # tensors
        found = {}
        for _ in range(self._number("Q")):
            key = self._bytes().decode(errors="replace")
            value = self._value(self._number("I"), wanted=key in keys)
            if key in keys:
                found[key] = value
        return found

    def _value(self, kind: int, *, wanted: bool, depth: int = 0) -> Any:
        if kind == _STRING:
            return self._bytes()
        if kind != _ARRAY:
            return self._number(self._scalar(kind))
        if depth == _DEEPEST:
            raise ValueError("arrays in arrays in arrays")
        inner, length = self._number("I"), self._number("Q")
        if inner in (_STRING, _ARRAY):
            # One at a time: a damaged length ends at the end of the file, not of the memory.
            values = []
            for _ in range(length):
                value = self._value(inner, wanted=wanted, depth=depth + 1)
                if wanted:
                    values.append(value)
            return values
        size = struct.calcsize(self._scalar(inner))
        numbers = self._skip(length * size)
        layout = f"{self._order}{length}{self._scalar(inner)}"
        return list(struct.unpack_from(layout, self._content, numbers)) if wanted else []

    def _bytes(self) -> bytes:
        length = self._number("Q")
        start = self._skip(length)
        return self._content[start : start + length]

    def _number(self, layout: str) -> Any:
        (value,) = struct.unpack_from(self._order + layout, self._content, self._at)
        self._at += struct.calcsize(layout)
        return value

    def _skip(self, size: int) -> int:
        """Move on; returns where it was. Raises ValueError beyond the end."""
        start = self._at
        self._at += size
        if self._at > len(self._content):
            raise ValueError("the file ends within its head")
        return start

    @staticmethod
    def _scalar(kind: int) -> str:
        if kind not in _SCALARS:
            raise ValueError("unknown type of value")
        return _SCALARS[kind]

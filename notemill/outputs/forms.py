"""A file's form: how rows are written in it, and read back from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from notemill.config.outputs import packed_as


class Form(ABC):
    """Writes batches of one schema, and gives back what a file holds as such batches."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """path: the file as it is named, whose end says how it is compressed."""
        self.schema = schema
        self._packed = packed_as(path)

    def made(self, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """What is written of rows that have their numbers (`ROW`) too, and must be read back."""
        for batch in rows:
            yield batch.select(self.schema.names)

    @abstractmethod
    def write(self, place: Path, batches: Iterator[pa.RecordBatch]) -> None:
        """Write them to the place."""

    @abstractmethod
    def read(self, place: Path) -> Iterator[pa.RecordBatch]:
        """The rows of the place, in its order. Raises pa.ArrowException, ValueError or OSError for
        what is none of this form."""

    @contextmanager
    def writing(self, place: Path) -> Iterator[Any]:
        """A stream into the place."""
        with pa.OSFile(str(place), "wb") as file:
            if self._packed is None:
                yield file
            else:
                with pa.CompressedOutputStream(file, self._packed) as packed:
                    yield packed

    @contextmanager
    def reading(self, place: Path) -> Iterator[Any]:
        """A stream from the place."""
        with pa.OSFile(str(place)) as file:
            if self._packed is None:
                yield file
            else:
                with pa.CompressedInputStream(file, self._packed) as packed:
                    yield packed

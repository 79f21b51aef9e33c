"""COPY to and from PostgreSQL: rows as a stream, in its text and its binary format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import sql

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""Before the first row of the binary format."""
TRAILER = b"\xff\xff"
"""Behind its last row."""


def send_copy(driver: Any, into: sql.Composable, lines: Iterable[memoryview]) -> None:
    """COPY ... FROM STDIN with these lines, in the text format. driver: psycopg's connection.

    Any row that can't be taken ends it with psycopg.Error, and none is.
    """
    with driver.cursor() as cursor, cursor.copy(into) as copy:
        for line in lines:
            copy.write(line)


class Bytes:
    """A stream of bytes, compared with what it should be."""

    def __init__(self, chunks: Iterator[bytes | memoryview]) -> None:
        self._chunks = chunks
        self._rest = b""

    def begins_with(self, wanted: bytes) -> bool:
        """Whether these are the next bytes; they are taken."""
        pieces, size = [self._rest], len(self._rest)
        while size < len(wanted) and (chunk := next(self._chunks, None)):
            pieces.append(bytes(chunk))
            size += len(chunk)
        found = b"".join(pieces)
        self._rest = found[len(wanted) :]
        return found.startswith(wanted)

    def ended(self) -> bool:
        """Whether there is no byte more."""
        return not self._rest and next(self._chunks, None) is None


@contextmanager
def copied(driver: Any, select: sql.Composable) -> Iterator[Bytes]:
    """The rows of a SELECT in the binary format; what is left of them is read and forgotten."""
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(select)
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        chunks = iter(copy)
        ended = False
        try:
            yield Bytes(chunks)
        except BaseException as error:
            ended = not isinstance(error, Exception)  # by a signal: there is no time for the rest
            raise
        finally:
            # Leaving earlier would cancel the statement, and with it the transaction.
            while not ended and next(chunks, None):
                pass

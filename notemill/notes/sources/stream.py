"""A file's bytes as they are read: hashed as they lie, unpacked, and the same to the end."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from notemill.errors import NotemillError
from notemill.notes.sources.record import Format

MOST_BYTES = 64 << 20
"""Of a line of JSON, and of a record of CSV."""
_BUFFER = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + number, 0x2A, 0x4D, 0x18]) for number in range(16)))
"""A frame, or one to be skipped, as pzstd begins with."""
_PARQUET, _ZIP = b"PAR1", b"PK\x03\x04"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"
_ENDINGS: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}
_PACKED = (".gz", ".gzip", ".zst", ".zstd")


class Opened:
    """A file that is open for reading.

    bytes: its contents, unpacked, behind a byte order mark; of Parquet the file itself. When they
    are read to the end `same_to_the_end` gives what the manifest says of it.
    """

    def __init__(self, path: Path, file: io.FileIO) -> None:
        self.path = path
        self._file = file
        self._before = os.fstat(file.fileno())
        self._hashed = _Hashed(file)
        packed = io.BufferedReader(self._hashed, _BUFFER)
        self._packed = packed
        self.bytes = _unpacked(packed)
        beginning = self.bytes.peek(_BUFFER)[:4096]
        if self.bytes is not packed and beginning.startswith(_PARQUET):
            raise NotemillError(
                "this is a Parquet file within gzip or zstd",
                where=str(path),
                remedy="unpack it: Parquet is compressed inside",
            )
        self.format = _format(path, beginning)
        if beginning.startswith(_BOM):
            self.bytes.read(len(_BOM))

    def parquet(self) -> io.FileIO:
        """The file at its beginning, for Parquet, which is not read from one end to the other."""
        self._drain()
        self._file.seek(0)
        return self._file

    def same_to_the_end(self) -> tuple[os.stat_result, str]:
        """How the file lies and the sha256 of its bytes. Raises NotemillError if it changed."""
        self._drain()
        before, after = _told(self._before), _told(os.fstat(self._file.fileno()))
        if before != after or after != _told(self.path.stat()):
            raise changed_while_read(self.path)
        return self._before, self._hashed.sha256.hexdigest()

    def _drain(self) -> None:
        """What is behind the end, as far as unpacking goes, is of the file's hash too."""
        while not self._hashed.whole and self._packed.read(_BUFFER):
            pass
        self._hashed.whole = True


def changed_while_read(path: Path) -> NotemillError:
    """The error for a file that was written to, or replaced, in between."""
    return NotemillError(
        "this file changed while it was read",
        where=str(path),
        remedy="wait until what writes it has ended, and run again; nothing was written",
    )


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open a file of a source. Raises NotemillError for one that can't be read or is damaged."""
    try:
        with path.open("rb", buffering=0) as file:
            yield Opened(path, file)
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException) as error:
        raise _damaged(path) from error
    except OSError as error:
        if error.errno is None:  # Arrow's
            raise _damaged(path) from error
        raise NotemillError(
            f"this file can't be read: {os.strerror(error.errno)}",
            where=f"{path}, which is {path.absolute()}",
            remedy="bring it back, or give your account the right to read it; nothing was written",
        ) from error


def _damaged(path: Path) -> NotemillError:
    return NotemillError(
        "this file is damaged or cut short: it can't be unpacked to its end",
        where=str(path),
        remedy="is it copied whole (compare sha256sum)? Copy it again; nothing was written",
    )


def _told(stat: os.stat_result) -> tuple[int, ...]:
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class _Hashed(io.RawIOBase):
    """A file whose bytes are hashed as they are read. whole: all of them were."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.whole = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._file.readinto(buffer) or 0
        self.sha256.update(memoryview(buffer)[:size])
        return size


class _Zstd(io.RawIOBase):
    """What zstd has packed, any number of frames."""

    def __init__(self, packed: io.BufferedReader[Any]) -> None:
        self._stream = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._stream.read(len(buffer))
        buffer[: len(read)] = read
        return len(read)


def _unpacked(packed: io.BufferedReader[Any]) -> io.BufferedReader[Any]:
    """The contents, whether they are packed or not: by their first bytes, whatever the name."""
    beginning = packed.peek(4)[:4]
    if beginning.startswith(_GZIP):
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=packed)), _BUFFER)
    if beginning.startswith(_ZSTD):
        return io.BufferedReader(_Zstd(packed), _BUFFER)
    return packed


def _format(path: Path, beginning: bytes) -> Format:
    """What the contents are: by the first bytes where these tell, else by the name's ending."""
    if beginning.startswith(_PARQUET):
        return "parquet"
    if beginning.startswith(_ZIP):
        raise NotemillError(
            "this is a workbook or an archive",
            where=str(path),
            remedy="save it as CSV UTF-8 or unpack it; Parquet, CSV and JSON lines can be read, "
            "and CSV and JSON lines in gzip or zstd",
        )
    if beginning.startswith(_UTF16):
        raise NotemillError(
            "this file is UTF-16, not UTF-8",
            where=str(path),
            remedy='save it as "CSV UTF-8", or: iconv -f UTF-16 -t UTF-8 OLD > NEW',
        )
    endings = [ending.lower() for ending in path.suffixes]
    while endings and endings[-1] in _PACKED:
        endings.pop()
    named = _ENDINGS.get(endings[-1]) if endings else None
    if named == "parquet":
        raise NotemillError(
            "this is no Parquet file, by its first bytes",
            where=str(path),
            remedy="is it copied whole? Copy it again, or rename it if it is something else",
        )
    looks_like_json = beginning.removeprefix(_BOM).lstrip()[:1] in (b"{", b"[")
    return named or ("json" if looks_like_json else "csv")

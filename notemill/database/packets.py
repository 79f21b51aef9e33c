"""What PyMySQL's cursors do not do: rows sent as a stream, and rows read as they come.

Both speak the protocol through PyMySQL's own packets, on its own connection. They use names that
PyMySQL does not promise to keep: where one is gone, what is asked for is refused as not supported.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from pymysql.constants import COMMAND, FLAG
from pymysql.err import (
    InternalError,
    NotSupportedError,
    OperationalError,
    raise_mysql_exception,
)
from pymysql.protocol import FieldDescriptorPacket, OKPacketWrapper

_CHUNK = 256 << 10
"""Bytes a packet of a stream: below any server's max_allowed_packet."""
_PREPARE, _EXECUTE, _CLOSE = 0x16, 0x17, 0x19
_HEADER = 4
_WHOLE = 0xFFFFFF
"""Bytes of a packet that goes on in the next one."""
_ERROR = 0xFF
PRIVATE = ("_execute_command", "_read_packet", "_read_bytes", "_next_seq_id", "_force_close")
"""What is used of PyMySQL's connection and is not public."""
UNSUPPORTED = 1295
"""MySQL's number for what can't be had in this protocol."""


class FileAsked(OperationalError):  # type: ignore[misc]
    """The server asked for another file than the stream it was offered."""


def send_rows(driver: Any, into: str, lines: Iterable[memoryview]) -> int:
    """LOAD DATA LOCAL INFILE with a stream of ours in the place of a file; gives its warnings.

    driver: PyMySQL's connection, made with CLIENT.LOCAL_FILES and without local_infile, so that
    PyMySQL itself refuses a server that asks for a file at any other time. into: the statement
    after the file's name. No file is ever opened here: a server that asks for another name gets
    nothing, and FileAsked is raised.
    """
    _refuse_unknown(driver)
    name = f"notemill-{secrets.token_hex(16)}"
    driver._execute_command(COMMAND.COM_QUERY, f"LOAD DATA LOCAL INFILE '{name}' {into}")
    packet = driver._read_packet()
    if not packet.is_load_local_packet():
        raise InternalError(2027, "no request for the rows")
    if packet.get_all_data()[1:] != name.encode():
        driver._force_close()
        raise FileAsked(2068, "the server asked for a file of this machine")
    try:
        for line in lines:
            for start in range(0, len(line), _CHUNK):
                driver.write_packet(bytes(line[start : start + _CHUNK]))
    except BaseException:
        # The server waits for rows: whatever is sent now, a ROLLBACK, would be one and never
        # answered.
        driver._force_close()
        raise
    driver.write_packet(b"")
    return int(OKPacketWrapper(driver._read_packet()).warning_count)


class Field(NamedTuple):
    """A column of a result, as the server describes it. charset: 63 for bytes."""

    name: str
    kind: int
    charset: int
    unsigned: bool


class Stream:
    """The rows of a SELECT as they come, each in the binary protocol: types and bits as they are.

    fields: its columns.
    """

    def __init__(self, driver: Any, fields: list[Field]) -> None:
        self.fields = fields
        self.ended = False
        self._driver = driver

    def rows(self, count: int) -> list[bytes]:
        """The next rows, `count` of them or all that are left."""
        found: list[bytes] = []
        read = self._driver._read_bytes
        while len(found) < count and not self.ended:
            row = b""
            while True:
                header = read(_HEADER)
                size = int.from_bytes(header[:3], "little")
                row += read(size)
                if size < _WHOLE:
                    break
            self._driver._next_seq_id = (header[3] + 1) % 256
            if row[0]:
                self.ended = True
                if row[0] == _ERROR:
                    raise_mysql_exception(row)
            else:
                found.append(row)
        return found


@contextmanager
def stream_of(driver: Any, select: str) -> Iterator[Stream]:
    """Run a SELECT and read its rows as they come; what is left of them is read and forgotten.

    Raises pymysql.err.Error where the server prepares no statement.
    """
    _refuse_unknown(driver)
    driver._execute_command(_PREPARE, select)
    head = driver._read_packet().get_all_data()
    statement, columns, parameters = struct.unpack_from("<IHH", head, 1)
    for described in (parameters, columns):
        for _ in range(described + 1 if described else 0):  # and one that ends them
            driver._read_packet()
    try:
        driver._execute_command(_EXECUTE, struct.pack("<IBI", statement, 0, 1))
        count = driver._read_packet().read_length_encoded_integer()
        fields = []
        for _ in range(count):
            there = driver._read_packet(FieldDescriptorPacket)
            unsigned = bool(there.flags & FLAG.UNSIGNED)
            fields.append(Field(there.name, there.type_code, there.charsetnr, unsigned))
        driver._read_packet()
        stream = Stream(driver, fields)
        try:
            yield stream
        except BaseException as error:
            if not isinstance(error, Exception):
                driver._force_close()  # a signal may have come in the midst of a packet
            raise
        finally:
            while not stream.ended and driver.open:
                stream.rows(1000)
    finally:
        if driver.open:  # no answer follows this command
            driver._execute_command(_CLOSE, struct.pack("<I", statement))


def leave_unread(driver: Any) -> None:
    """Let PyMySQL forget what a connection that is closed now was still to read.

    Else its cursor and its result would read on when they are collected, from a socket that is
    gone, and Python would print that traceback.
    """
    result = getattr(driver, "_result", None)
    if result is not None:
        result.unbuffered_active = False
        result.has_next = False


def _refuse_unknown(driver: Any) -> None:
    if not all(hasattr(driver, name) for name in PRIVATE):
        raise NotSupportedError(UNSUPPORTED, "this release of PyMySQL is not known")

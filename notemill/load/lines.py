"""Rows as text: lines of LOAD DATA or COPY, or the values of an INSERT."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FORMAT = (
    "CHARACTER SET utf8mb4 FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'"
)
"""How the lines are read. Not as '\\t', which a session may read as two characters."""
_Texts = Sequence[pa.Array | str]
_IN_LINES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\0", "\\0"))
_IN_COPY = (*_IN_LINES[:3], ("\r", "\\r"))
_IN_QUOTES = (("\\", "\\\\"), ("'", "''"))


def lines(columns: Sequence[pa.Array]) -> memoryview:
    """Rows as LOAD DATA takes them; bytes as hex digits, for which the statement says UNHEX."""
    texts = [_text(column, _in_line, lambda digits: digits) for column in columns]
    return bytes_of(_joined([_joined(texts, "\t", null="\\N"), ""], "\n"))


def copy_lines(columns: Sequence[pa.Array]) -> memoryview:
    """Rows as PostgreSQL's COPY takes them."""

    def escaped(column: pa.Array) -> pa.Array:
        return _replaced(column, _IN_COPY)

    texts = [
        _text(column, escaped, lambda digits: _joined(["\\\\x", digits])) for column in columns
    ]
    return bytes_of(_joined([_joined(texts, "\t", null="\\N"), ""], "\n"))


def values(columns: Sequence[pa.Array], *, backslashes: bool) -> list[bytes]:
    """Each row as INSERT takes it. backslashes: whether the session reads them as escapes."""

    def quoted(column: pa.Array) -> pa.Array:
        escapes = _IN_QUOTES if backslashes else _IN_QUOTES[1:]
        return _joined(["'", _replaced(column, escapes), "'"])

    texts = [
        _text(column, quoted, lambda digits: _joined(["X'", digits, "'"])) for column in columns
    ]
    rows = _joined(["(", _joined(texts, ",", null="NULL"), ")"])
    found: list[bytes] = rows.cast(pa.large_binary()).to_pylist()
    return found


def _text(
    column: pa.Array,
    of_text: Callable[[pa.Array], pa.Array],
    of_digits: Callable[[pa.Array], pa.Array],
) -> pa.Array:
    kind = column.type
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8()).cast(pa.large_string())
    if pa.types.is_integer(kind):
        return column.cast(pa.large_string())
    if pa.types.is_floating(kind):
        # With an exponent, or an INSERT takes it for a decimal number.
        text = column.cast(pa.large_string())
        plain = pc.invert(pc.match_substring(text, "e"))
        return pc.if_else(plain, _joined([text, "e0"]), text)
    if pa.types.is_decimal(kind):
        texts = [None if value is None else f"{value:f}" for value in column.to_pylist()]
        return pa.array(texts, pa.large_string())
    if pa.types.is_binary(kind):
        digits = [None if value is None else value.hex() for value in column.to_pylist()]
        return of_digits(pa.array(digits, pa.large_string()))
    if pa.types.is_temporal(kind):
        return of_text(column.cast(pa.string()).cast(pa.large_string()))
    return of_text(column.cast(pa.large_string()))


def _joined(texts: _Texts, between: str = "", null: str | None = None) -> pa.Array:
    """Row by row; null where one of them is, unless `null` takes its place."""
    typed = [
        pa.scalar(each, pa.large_string()) if isinstance(each, str) else each for each in texts
    ]
    options = {"null_handling": "emit_null" if null is None else "replace"}
    return pc.binary_join_element_wise(
        *typed, pa.scalar(between, pa.large_string()), **options, null_replacement=null or ""
    )


def _in_line(column: pa.Array) -> pa.Array:
    return _replaced(column, _IN_LINES)


def _replaced(column: pa.Array, escapes: Sequence[tuple[str, str]]) -> pa.Array:
    held = bytes_of(column).tobytes()
    for character, escape in escapes:
        if character.encode() in held:
            column = pc.replace_substring(column, character, escape)
    return column


def bytes_of(column: pa.Array) -> memoryview:
    """The texts of a column, one behind the other."""
    _, offsets, data = column.buffers()
    places = np.frombuffer(offsets, dtype=np.int64)
    first, last = places[column.offset], places[column.offset + len(column)]
    return memoryview(data)[first:last] if data else memoryview(b"")

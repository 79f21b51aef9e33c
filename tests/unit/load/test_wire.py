"""notemill.load.wire: the bytes of a row say its values, and no others."""

from __future__ import annotations

import datetime
import struct
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymysql.constants import FIELD_TYPE

from notemill.database.packets import Field
from notemill.load.wire import NotEncodable, encoded

TEXT, BYTES = 45, 63
COLUMNS: list[tuple[pa.DataType, int, int, st.SearchStrategy[Any]]] = [
    (pa.int64(), FIELD_TYPE.LONGLONG, BYTES, st.integers(-(2**63), 2**63 - 1)),
    (pa.int32(), FIELD_TYPE.LONG, BYTES, st.integers(-(2**31), 2**31 - 1)),
    (pa.int32(), FIELD_TYPE.LONGLONG, BYTES, st.integers(-(2**31), 2**31 - 1)),
    (pa.bool_(), FIELD_TYPE.TINY, BYTES, st.booleans()),
    (pa.float64(), FIELD_TYPE.DOUBLE, BYTES, st.floats(allow_nan=False)),
    (
        pa.large_string(),
        FIELD_TYPE.BLOB,
        TEXT,
        st.text(max_size=4) | st.sampled_from(["x" * n for n in (250, 251, 65535, 65536)]),
    ),
    (pa.string(), FIELD_TYPE.VAR_STRING, TEXT, st.text(max_size=4)),
    (pa.binary(), FIELD_TYPE.VAR_STRING, BYTES, st.binary(max_size=4)),
    (
        pa.decimal128(38, 4),
        FIELD_TYPE.NEWDECIMAL,
        BYTES,
        st.integers(-(10**9), 10**9).map(lambda n: Decimal(n).scaleb(-4)),
    ),
    (pa.date32(), FIELD_TYPE.DATE, BYTES, st.dates(datetime.date(1000, 1, 1))),
    (
        pa.timestamp("us"),
        FIELD_TYPE.DATETIME,
        BYTES,
        st.datetimes(datetime.datetime(1000, 1, 1)).map(lambda time: time.replace(fold=0))
        | st.dates(datetime.date(1000, 1, 1)).map(
            lambda day: datetime.datetime(day.year, day.month, day.day)
        ),
    ),
]
FIELDS = [
    Field(str(n), kind, charset, unsigned=False) for n, (_, kind, charset, _) in enumerate(COLUMNS)
]
rows = st.tuples(*(st.none() | values for *_, values in COLUMNS))


@given(st.lists(rows, min_size=1, max_size=5))
@settings(max_examples=50)
def test_what_is_encoded_says_each_value_to_the_bit(given: list[tuple[Any, ...]]) -> None:
    columns = [
        pa.array(values, kind)
        for values, (kind, *_) in zip(zip(*given, strict=True), COLUMNS, strict=True)
    ]
    shifted = [pa.concat_arrays([column, column]).slice(len(given)) for column in columns]
    for made in (columns, shifted):
        got = [decoded(row) for row in encoded(made, FIELDS)]
        assert repr(got) == repr([list(row) for row in given])


def decoded(row: bytes) -> list[Any]:
    """The values of a row, by the protocol's own description; read by a pedant."""
    assert row[0] == 0
    nulls = row[1 : 1 + (len(FIELDS) + 9) // 8]
    place = 1 + len(nulls)

    def take(size: int) -> bytes:
        nonlocal place
        place += size
        return row[place - size : place]

    def counted() -> bytes:
        first = take(1)[0]
        width = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first)
        return take(int.from_bytes(take(width), "little") if width else first)

    values: list[Any] = []
    for number, (kind, code, charset, _) in enumerate(COLUMNS):
        if nulls[(number + 2) // 8] >> (number + 2) % 8 & 1:
            values.append(None)
        elif code in (FIELD_TYPE.TINY, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG):
            size = {FIELD_TYPE.TINY: 1, FIELD_TYPE.LONG: 4, FIELD_TYPE.LONGLONG: 8}[code]
            value = int.from_bytes(take(size), "little", signed=True)
            values.append(bool(value) if pa.types.is_boolean(kind) else value)
        elif code == FIELD_TYPE.DOUBLE:
            values.append(struct.unpack("<d", take(8))[0])
        elif code == FIELD_TYPE.NEWDECIMAL:
            values.append(Decimal(counted().decode()))
        elif code in (FIELD_TYPE.DATE, FIELD_TYPE.DATETIME):
            parts = counted()
            time = [*struct.unpack("<HBB", parts[:4]), *parts[4:7]]
            time += [int.from_bytes(parts[7:], "little")] if len(parts) == 11 else []
            exact = datetime.datetime(*time)
            values.append(exact.date() if code == FIELD_TYPE.DATE else exact)
        else:
            values.append(counted() if charset == BYTES else counted().decode())
    assert place == len(row)
    return values


@pytest.mark.parametrize(
    ("value", "kind", "field"),
    [
        (300, pa.int64(), (FIELD_TYPE.TINY, BYTES, False)),
        (2**31, pa.int64(), (FIELD_TYPE.LONG, BYTES, False)),
        (1, pa.int64(), (FIELD_TYPE.LONGLONG, BYTES, True)),
        (1, pa.int64(), (FIELD_TYPE.DOUBLE, BYTES, False)),
        (1.5, pa.float64(), (FIELD_TYPE.FLOAT, BYTES, False)),
        ("a", pa.string(), (FIELD_TYPE.VAR_STRING, BYTES, False)),
        (b"a", pa.binary(), (FIELD_TYPE.VAR_STRING, TEXT, False)),
        ("{}", pa.string(), (FIELD_TYPE.JSON, TEXT, False)),
        (datetime.date(2000, 1, 1), pa.date32(), (FIELD_TYPE.DATETIME, BYTES, False)),
        (datetime.datetime(2000, 1, 1), pa.timestamp("us"), (FIELD_TYPE.TIMESTAMP, BYTES, False)),
    ],
)
def test_a_column_of_another_type_is_not_said_to_have_any_bytes(
    value: Any, kind: pa.DataType, field: tuple[int, int, bool]
) -> None:
    """300 in a byte would be 44, and a table that holds 44 would pass for it."""
    code, charset, unsigned = field
    with pytest.raises(NotEncodable):
        encoded([pa.array([value], kind)], [Field("x", code, charset, unsigned)])

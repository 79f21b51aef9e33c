"""Ids of every kind that a database gives, through extract, shard, load and back."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from notemill.database.connect import connect
from tests.unit.loads import Loads

texts = st.text(
    st.sampled_from("aAáßſ \t07'\"\\%_\x00\u0301🩺\ufeff\u200b"), min_size=1, max_size=6
)
integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9)
binaries = st.binary(max_size=8)
first = datetime.datetime(1000, 1, 1)

SQLITE = {
    "INTEGER": integers,
    "TEXT": texts,
    "TEXT COLLATE NOCASE": texts,
    "BLOB": binaries,
    "": texts,
}
"""Column types and what may be in them."""
MYSQL: dict[str, st.SearchStrategy[Any]] = {
    "BIGINT": integers,
    "INT UNSIGNED ZEROFILL": st.integers(0, 2**32 - 1),
    "BOOL": st.booleans(),
    "YEAR": st.integers(1901, 2155),
    "BIT(20)": st.integers(0, 2**20 - 1),
    "VARCHAR(20) COLLATE utf8mb4_general_ci": texts,
    "VARCHAR(20) CHARACTER SET latin1": st.text(st.sampled_from("aAé 07'\\"), max_size=6),
    "CHAR(8) COLLATE utf8mb4_bin": texts,
    "TINYTEXT COLLATE utf8mb4_bin": texts,
    "ENUM('a','A ','🩺') COLLATE utf8mb4_bin": st.sampled_from(["a", "A ", "🩺"]),
    "VARBINARY(8)": binaries,
    "BINARY(8)": binaries,
    "DECIMAL(30,4)": st.decimals(-(10**25), 10**25, places=4),
    "DECIMAL(10,0)": st.integers(-(10**9), 10**9),
    "DATE": st.dates(first.date()),
    "DATETIME": st.datetimes(first).map(lambda time: time.replace(microsecond=0)),
    "DATETIME(6)": st.datetimes(first),
    "TIMESTAMP(6)": st.datetimes(datetime.datetime(1971, 1, 1), datetime.datetime(2037, 1, 1)),
}
MARIADB = MYSQL | {
    "UUID": st.uuids(version=4).map(str),
    "INET6": st.ip_addresses(v=6).map(str),
}

no_nul = texts.map(lambda text: text.replace("\0", "_"))
POSTGRES: dict[str, st.SearchStrategy[Any]] = {
    "BIGINT": integers,
    "SMALLINT": st.integers(-(2**15), 2**15 - 1),
    "TEXT": no_nul,
    'VARCHAR(20) COLLATE "und-x-icu"': no_nul,
    "CHAR(8)": st.text(st.sampled_from("aAá 07'\\"), max_size=6).map(lambda text: f"{text}x"),
    "CITEXT": st.text(st.sampled_from("aé07'\\"), min_size=1, max_size=6),
    "ward": no_nul,
    "side": st.sampled_from(["a", "A ", "🩺"]),
    "BYTEA": binaries,
    "NUMERIC(30,4)": st.decimals(-(10**25), 10**25, places=4),
    "NUMERIC": st.integers(-(10**30), 10**30).map(Decimal),
    "UUID": st.uuids().map(str),
    "DATE": st.dates(first.date()),
    "TIMESTAMP": st.datetimes(first),
    "TIMESTAMPTZ": st.datetimes(first, timezones=st.just(datetime.UTC)),
}


HOSTILE = [
    "", " ", "  ", "a", "a ", " a", "a\t", "a\n", "a\r\n", "A", "á", "a\u0301", "\u0301", "\ufeff",
    "ß", "ss", "ſ", "s", "S", "K", "\u212a", "k", "İ", "i", "ı", "I", "æ", "ae", "ﬀ", "ff", "Å",
    "A\u030a", "\u212b", "ａ", "①", "1", "01", "1.0", "1e0", "+1", "-0", "0", "\u3000", "\u00a0",
    "\\", "\\\\", "\\'", "'", "''", '"', "`", "%", "_", "\\%", "NULL", "\\N", "\x1a", "\b", "\x7f",
    "🩺", "🩺 ", "\u200b", "\u00ad", "\u2028", "\U0010ffff", "\uffff", "x" * 199, "x" * 198 + " ",
    "a;b", "a,b", "--", "/*", "*/", "#", "$1", "?", "%s", "%(x)s", ":x", "{note}", "{{ x }}",
]  # fmt: skip
"""Ids that some collation takes as one, that end a string of SQL or a line, or look like values."""


def lists_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Some ids, no two of them equal to Python."""
    return st.lists(values, min_size=1, max_size=25, unique=True)


def go_through_and_back(
    make: Callable[[], Loads], kind: str, ids: list[Any], read: str = "visit"
) -> None:
    """Each id that the database gives comes back as it was, with its own note's answer.

    read: how the database is asked for the ids that it should give.
    """
    loads = make()
    clinic = loads.clinic
    clinic.run(f"CREATE TABLE ids (n INTEGER, visit {kind}, note TEXT)")
    clinic.run("INSERT INTO ids VALUES (?, ?, ?)", [(n, v, f"of {n}") for n, v in enumerate(ids)])
    given = dict(_read(loads, f"SELECT {read}, n FROM ids ORDER BY n DESC"))  # CHAR strips blanks
    numbers = ", ".join(map(str, given.values()))
    query = f"SELECT visit, note FROM ids WHERE n IN ({numbers})"
    manifest = clinic.extract(query=query, shards=2)
    assert manifest.counts.notes == len(given)
    loads.answer({"of 0": "schema"})
    report = loads.load()
    assert report.notes == len(given)
    answers = dict(_read(loads, "SELECT visit, llm_reason FROM answers"))
    failed = dict(_read(loads, "SELECT visit, 0 FROM answers_failures"))
    assert failed.keys() == {id for id, n in given.items() if n == 0}
    assert answers == {id: f"of of {n}" for id, n in given.items() if n}
    types = {type(id) for id in given}
    assert {type(id) for id in answers | failed} == types
    assert loads.load().removed == 0


def _read(loads: Loads, query: str) -> list[tuple[Any, Any]]:
    with connect(loads.clinic.database).connect() as connection:
        return [(one, other) for one, other in connection.exec_driver_sql(query)]

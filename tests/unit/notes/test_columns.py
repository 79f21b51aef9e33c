"""notemill.notes.columns"""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from notemill.config import Cohort
from notemill.errors import NotemillError
from notemill.notes.columns import IdReader, column_positions
from notemill.notes.text import UndecodedText

COHORT = Cohort(query="SELECT 1", id_columns=["visit", "part"], text_column="note")


def reader(*names: str, lengths: tuple[int | None, ...] = ()) -> IdReader:
    """A reader of rows that hold the id columns alone."""
    description = [(None, None, None, length) for length in lengths or [None] * len(names)]
    return IdReader(names, list(range(len(names))), description, "chest")


def test_columns_are_found_by_name_whatever_their_order() -> None:
    assert column_positions(["note", "x", "part", "visit"], COHORT, "chest") == [3, 2, 0]


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    with pytest.raises(NotemillError) as refused:
        column_positions(["Visit", "part", "note"], COHORT, "chest")
    assert "column 'visit' is not in the result" in refused.value.what
    assert "Visit, part, note" in refused.value.what
    assert refused.value.where == "cohorts.chest"
    assert "case count" in refused.value.remedy


def test_a_column_that_comes_twice_is_named() -> None:
    with pytest.raises(NotemillError, match="'part' is twice") as refused:
        column_positions(["visit", "part", "note", "part"], COHORT, "chest")
    assert "AS" in refused.value.remedy


@pytest.mark.parametrize(
    ("value", "read", "kind"),
    [
        (7, 7, "integer"),
        ("A7", "A7", "text"),
        (UndecodedText(b"caf\xc3\xa9"), "caf\xe9", "text"),
        (b"\xff", b"\xff", "binary"),
        (Decimal("1.50"), Decimal("1.50"), "decimal"),
        (datetime.date(2024, 1, 2), datetime.date(2024, 1, 2), "date"),
        (datetime.datetime(2024, 1, 2, 3), datetime.datetime(2024, 1, 2, 3), "timestamp"),
    ],
)
def test_ids_keep_their_own_types(value: Any, read: Any, kind: str) -> None:
    ids = reader("visit")
    assert ids.read([(value,)]) == [[read]]
    assert [(column.name, column.kind) for column in ids.columns] == [("visit", kind)]


def test_lengths_are_those_that_the_server_declares() -> None:
    ids = reader("visit", "part", "key", lengths=(80, 16, None))
    ids.read([("a", b"b", Decimal("1.250"))])
    text, binary, decimal = ids.columns
    assert text.length == 20  # 80 bytes of utf8mb4
    assert binary.length == 16
    assert decimal.scale == 3


SECRET = "12345"  # ids may name a patient


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("a",), (None,)], "is NULL on some row"),
        ([(None,)], "is NULL on some row"),
        ([(2**63,)], "beyond 64 bits"),
        ([(1,), (-(2**63) - 1,)], "beyond 64 bits"),
        ([(1,), (SECRET,)], "holds int on one row and str on another"),
        ([(SECRET,), (b"1",)], "holds str on one row and bytes on another"),
        ([(True,)], r"can't name a note \(bool\)"),
        ([(1.5,)], r"can't name a note \(float\)"),
        ([(datetime.timedelta(1),)], r"can't name a note \(timedelta\)"),
        ([(UndecodedText(b"\xff" + SECRET.encode()),)], "holds text that is not UTF-8"),
        ([(Decimal("1.25"),), (Decimal("1.375"),)], "digits after the point on one row"),
        ([(Decimal("9" * 38 + ".25"),)], "or more than 38"),
    ],
)
def test_ids_that_name_no_note_are_refused(rows: list[tuple[Any]], words: str) -> None:
    ids = reader("visit")
    with pytest.raises(NotemillError, match=words) as refused:
        ids.read(rows)
    one_by_one = reader("visit")
    with pytest.raises(NotemillError) as again:
        for row in rows:
            one_by_one.read([row])
    assert str(again.value) == str(refused.value)
    assert "id column 'visit' of cohort 'chest'" in refused.value.what
    assert refused.value.where == "cohorts.chest.id_columns"
    assert SECRET not in str(refused.value)
    assert refused.value.remedy


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
def test_the_largest_numbers_pass(value: int) -> None:
    assert reader("visit").read([(value,), (1,)]) == [[value, 1]]

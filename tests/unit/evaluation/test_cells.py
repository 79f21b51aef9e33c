"""Ids of each kind as a gold may write them, and labels as choices, numbers and items."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from notemill.database.keys import IdColumn, IdKind
from notemill.evaluation.cells import UNLABELLED, CellError, answer_of, id_value, label_of
from notemill.evaluation.fields import Shape

DAY = datetime.date(2024, 3, 31)
TIME = datetime.datetime(2024, 3, 31, 14, 5, 0, 250_000)


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("integer", "-7", -7),
        ("integer", 2**63 - 1, 2**63 - 1),
        ("text", "007", "007"),
        ("text", "", ""),
        ("binary", "00ff", b"\x00\xff"),
        ("binary", b"\xff", b"\xff"),
        ("decimal", "1.50", Decimal("1.5")),
        ("decimal", 3, Decimal(3)),
        ("date", "2024-03-31", DAY),
        ("date", DAY, DAY),
        ("timestamp", "2024-03-31 14:05:00.25", TIME),
        ("timestamp", "2024-03-31T14:05:00.250000", TIME),
        ("timestamp", TIME, TIME),
    ],
)
def test_an_id_is_read_as_the_cohort_has_it(kind: IdKind, cell: Any, value: Any) -> None:
    read = id_value(cell, IdColumn(name="id", kind=kind, scale=2))
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        *[("integer", cell) for cell in ("", "1.0", "1e3", "+1", "٣", "1_000", 1.0, True, None)],
        *[("text", cell) for cell in (7, None, DAY)],
        *[("binary", cell) for cell in ("xyz", "0", 7)],
        *[("decimal", cell) for cell in ("1.505", "1,5", "NaN", 1.5, "1e40", True)],
        *[("decimal", cell) for cell in ("1_000", "٣", "1e99999999", "1e-99999999")],
        ("integer", "9" * 5_000),
        *[("date", cell) for cell in ("31.03.2024", "3/31/24", "2024-02-30", 45382, TIME)],
        *[("timestamp", cell) for cell in ("2024-03-31", "45382.5", "2024-03-31 25:00", DAY)],
        ("timestamp", "2024-03-31 14:05:00Z"),
        ("timestamp", TIME.replace(tzinfo=datetime.UTC)),
    ],
)
def test_an_id_that_a_program_changed_is_refused(kind: IdKind, cell: Any) -> None:
    with pytest.raises(CellError):
        id_value(cell, IdColumn(name="id", kind=kind, scale=2))


@pytest.mark.parametrize(
    ("choices", "cell", "place"),
    [
        (("1", 1, True, None), "1", 0),
        (("1", 1, True, None), 1, 1),
        (("1", 1, True, None), True, 2),
        (("1", 1, True, None), "true", 2),
        (("1", 1, True, None), "NULL", 3),
        ((1, 2), "2.0", 1),
        ((1, 2), 2.0, 1),
        ((1, 2), Decimal("2"), 1),
        ((False, True), "FALSE", 0),
        ((False, True), 1, 1),
        (("yes", "no"), " no ", 1),
        ((" no ", "no"), " no ", 0),
        (("null", None), "null", 0),
        ((0.5, 1.5), "1.5", 1),
    ],
)
def test_a_label_names_a_choice(choices: tuple[Any, ...], cell: Any, place: int) -> None:
    assert label_of(cell, Shape("f", "choices", choices)) == place


@pytest.mark.parametrize("cell", ["", "  ", None, float("nan")])
def test_an_empty_cell_is_no_label(cell: Any) -> None:
    for shape in (
        Shape("f", "choices", ("yes", None)),
        Shape("f", "number", null=True),
        Shape("f", "items", listed=True),
    ):
        assert label_of(cell, shape) is UNLABELLED


@pytest.mark.parametrize("choices", [("1", 1, True, None, 0.5), (False, True), ("a", "b", None)])
def test_each_answer_is_its_own_label(choices: tuple[Any, ...]) -> None:
    shape = Shape("f", "choices", choices)
    assert [answer_of(choice, shape) for choice in choices] == list(range(len(choices)))
    assert len(set(shape.labels)) == len(choices)


def test_items_are_compared_whatever_their_case_and_their_form() -> None:
    shape = Shape("f", "items", listed=True)
    right = label_of("Fièvre;  dry   cough", shape)
    assert answer_of(["dry cough", "FIE\u0300VRE", "fièvre"], shape) == right
    assert answer_of(["dry", "cough"], shape) != right


def test_items_of_a_list_of_choices_are_choices() -> None:
    shape = Shape("f", "items", ("left", "right"), listed=True)
    assert label_of('["left"]', shape) == {"left"}
    with pytest.raises(CellError, match="none of its choices"):
        label_of("left; top", shape)

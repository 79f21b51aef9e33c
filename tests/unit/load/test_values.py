"""notemill.load.values: when two values are the same."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.load.values import as_stored, differing

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=False),
    st.text(max_size=3),
    st.binary(max_size=3),
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        (1, 1.0),
        (1.0, 1),
        (True, 1),
        (0.1, 0.1 + 2**-56),
        ("", None),
        ("a", "A"),
        ("a", "a "),
        ("é", "e\u0301"),
        ("7", 7),
        ("a", b"a"),
        (Decimal("1.5"), 1.5),
        ('{"a": 1}', '{"a": 2}'),
    ],
)
def test_values_that_databases_take_as_one_are_two(one: Any, other: Any) -> None:
    assert differing([one], [other]) == 1
    assert differing([one, one, None], [one, other, None]) == 1
    assert differing([other], [one]) == 1


@given(st.lists(values), st.lists(values))
def test_two_columns_are_the_same_only_value_by_value(one: list[Any], other: list[Any]) -> None:
    length = min(len(one), len(other))
    one, other = one[:length], other[:length]
    pairs = zip(one, other, strict=True)
    assert differing(one, other) == sum(repr(a) != repr(b) for a, b in pairs)
    assert differing(one, tuple(one)) == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"b": 1, "a": [1.0, null]}', '{"a":[1.0,null],"b":1}', True),
        ('{"a": 1}', '{"a": 1.0}', False),
        ('{"a": 0.0}', '{"a": -0.0}', False),
        ('{"a": true}', '{"a": 1}', False),
        ("[1, 2]", "[2, 1]", False),
        ("null", None, False),
        ("{}", "junk", False),
        ('"\\u00e9"', '"é"', True),
    ],
)
def test_json_is_compared_as_it_parses(one: str, other: str | None, same: bool) -> None:
    assert differing([one], [other], as_json=True) == (not same)


def test_a_boolean_is_a_number_in_a_database() -> None:
    assert as_stored([True, None, False], "mysql") == [1, None, 0]
    assert differing(as_stored([True], "mysql"), [1]) == 0

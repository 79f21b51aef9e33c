"""The rows of an extract beside what the database counts: as many, others, or no count at all."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from notemill.errors import NotemillError
from tests.unit.conftest import Clinic


class Spelled(NamedTuple):
    """Queries over the clinic's notes in a database's own words.

    uneven: it gives other rows to COUNT than to its reader; slow: two or more rows, which take
    longer to count than limit_s. cuts: what the database has that may cut results, empty if none.
    """

    uneven: str
    slow: str
    limit_s: int
    cuts: str = ""


@pytest.fixture
def spelled() -> Spelled:
    many = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c "
    return Spelled(
        f"{many} LIMIT 1 + abs(random()) % 100000) SELECT n AS visit, 'x' AS note FROM c",
        f"{many} WHERE n < 500000) SELECT n AS visit, 'x' AS note FROM c WHERE n > 499998",
        0,
    )


def test_rows_that_are_as_many_as_the_database_counts_are_said_to_be(
    clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    clinic.fill(*((number, f"note {number}") for number in range(20)))
    with caplog.at_level("INFO", "notemill"):
        clinic.extract()
    assert "20 rows read, as many as COUNT(*) says" in caplog.text


def test_another_number_of_rows_than_the_count_is_refused(clinic: Clinic, spelled: Spelled) -> None:
    """A query that gives another number each time stands for a server that cuts results."""
    clinic.fill((1, "one"), (2, "two"), (3, "three"))
    with pytest.raises(NotemillError, match="and COUNT") as refused:
        clinic.extract(query=spelled.uneven)
    assert "LIMIT without ORDER BY" in refused.value.remedy
    assert ("SHOW VARIABLES" in refused.value.remedy) == bool(spelled.cuts)
    assert spelled.cuts in refused.value.remedy
    assert clinic.left_behind() == []


def test_a_count_that_takes_too_long_is_given_up_and_said(
    clinic: Clinic,
    spelled: Spelled,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clinic.fill((1, "one"), (2, "two"), (3, "three"), (4, "four"))
    monkeypatch.setattr("notemill.notes.rows._COUNT_S", spelled.limit_s)
    with caplog.at_level("WARNING", "notemill"):
        assert clinic.extract(query=spelled.slow).counts.rows >= 2
    assert "were not compared with a COUNT" in caplog.text

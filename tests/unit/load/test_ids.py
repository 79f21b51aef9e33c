"""Ids of every kind that SQLite gives; on servers: tests/servers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ids import HOSTILE, SQLITE, go_through_and_back, lists_of
from tests.unit.conftest import Clinic, write_task
from tests.unit.loads import Loads


@pytest.mark.parametrize("kind", SQLITE)
@given(data=st.data())
@settings(max_examples=6)
def test_ids_go_through_and_back(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    ids: list[Any] = data.draw(lists_of(SQLITE[kind]))

    def loads() -> Loads:
        clinic = Clinic(tmp_path_factory.mktemp("clinic"))
        return Loads(clinic, write_task(clinic.folder / "tasks"))

    go_through_and_back(loads, kind, ids)


@pytest.mark.parametrize("kind", ["TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM"])
def test_ids_that_are_one_to_the_database_stay_several(
    tmp_path_factory: pytest.TempPathFactory, kind: str
) -> None:
    def loads() -> Loads:
        clinic = Clinic(tmp_path_factory.mktemp("clinic"))
        return Loads(clinic, write_task(clinic.folder / "tasks"))

    go_through_and_back(loads, kind, [*HOSTILE, "\0"])

"""notemill.notes.frozen: what the plan asks of a cohort that was read before."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from notemill.errors import NotemillError
from notemill.notes.frozen import check_cohorts
from tests.unit.conftest import Clinic, config


def planned(clinic: Clinic, **changes: Any) -> None:
    cohort = clinic.cohort(**changes).model_dump()
    check_cohorts(config(results=str(clinic.layout.results), cohorts={"chest": cohort}))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shards": 7},
        {"query": "  SELECT visit, note FROM notes ; \n"},
    ],
)
def test_what_changes_no_note_is_no_change(clinic: Clinic, changes: dict[str, Any]) -> None:
    planned(clinic, query="not read yet")
    clinic.fill((1, "one"))
    clinic.extract()
    planned(clinic, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"query": "SELECT visit, note FROM notes WHERE 1"},
        {"query": "select visit, note FROM notes"},
        {"id_columns": ["note"], "text_column": "visit"},
        {"same_id_different_text": "first"},
    ],
)
def test_what_may_change_a_note_is_refused_with_both(
    clinic: Clinic, changes: dict[str, Any]
) -> None:
    clinic.fill((1, "one"))
    clinic.extract()
    before = {name: (clinic.layout.results / name).read_bytes() for name in clinic.left_behind()}
    for refusing in (planned, Clinic.extract):
        with pytest.raises(NotemillError) as refused:
            refusing(clinic, **changes)
        for key, value in changes.items():
            assert f"{key}, read: {getattr(clinic.cohort(), key)}" in refused.value.what
            assert f"{key}, now: {value}" in refused.value.what
        assert refused.value.where == "cohorts.chest"
        assert "rm -rf" in refused.value.remedy
    after = {name: (clinic.layout.results / name).read_bytes() for name in clinic.left_behind()}
    assert after == before


def test_a_cohort_that_was_moved_to_another_name_is_refused(clinic: Clinic) -> None:
    """Its rows would be loaded under the name with which it was read."""
    clinic.fill((1, "one"))
    clinic.extract("ct")
    clinic.layout.cohort("ct").rename(clinic.layout.cohort("chest"))
    with pytest.raises(NotemillError, match="read as cohort 'ct' lies where cohort 'chest'"):
        planned(clinic)


def test_a_damaged_record_of_a_cohort_is_named(clinic: Clinic) -> None:
    clinic.fill((1, "one"))
    clinic.extract()
    clinic.layout.frozen("chest").write_text("{")
    with pytest.raises(NotemillError) as refused:
        planned(clinic)
    assert refused.value.where == str(clinic.layout.frozen("chest"))
    clinic.layout.frozen("chest").unlink()  # as the remedy says
    clinic.extract()
    planned(clinic)


def test_the_check_imports_nothing_heavy() -> None:
    """Every Slurm job plans twice."""
    heavy = "{'numpy', 'pyarrow', 'sqlalchemy', 'pymysql', 'rich'}"
    code = f"import sys, notemill.notes.frozen; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

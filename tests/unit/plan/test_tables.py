"""notemill.plan.tables, through plan_runs: what no database could take as it is planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from notemill.answers.columns import OWN_COLUMNS
from notemill.errors import NotemillError
from notemill.plan.runs import plan_runs
from notemill.tasks.run import Run
from tests.unit.conftest import config, config_values, write_task

COUGH = config_values()["experiments"]["cough"]
CHEST = config_values()["cohorts"]["chest"]
HEAD = "from pydantic import BaseModel, Field\nclass Answer(BaseModel):\n"
FIELDS = {
    "cough": "    response: str = Field(max_length=80)\n",
    "fever": "    response: str = Field(max_length=80)\n    since: int\n",
    "long": "    response: str\n",
    "same": "    response: str = Field(max_length=90)\n",
    "wide": "".join(f"    f{n}: str = Field(max_length=80)\n" for n in range(150)),
    "many": "".join(f"    f{n}: str = Field(max_length=80)\n" for n in range(151)),
    "visits": "    visit: str\n",
}


def plan(folder: Path, experiments: dict[str, dict[str, Any]], **sections: Any) -> list[Run]:
    for name, fields in FIELDS.items():
        write_task(folder, HEAD + fields, name=name)
    values = {name: COUGH | changes for name, changes in experiments.items()}
    return plan_runs(config(tasks=str(folder), experiments=values, **sections))


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({}, {"task": "fever"}, "r has other columns by experiments.a.results_table: llm_since"),
        ({}, {"task": "long"}, "llm_response (text up to 255 there, text here)"),
        ({}, {"answer_prefix": ""}, "has other columns by experiments.a.results_table"),
        (
            {},
            {"results_table": "R", "failures_table": "x"},
            "R is, but for upper and lower case, r",
        ),
        ({}, {"results_table": "r_failures"}, "r_failures is the table of failures already"),
        ({}, {"results_table": "x", "failures_table": "r"}, "r is the table of results already"),
        ({}, {"failures_table": "r"}, "r is the table of results already"),
        ({}, {"failures_table": "R"}, "R is, but for upper and lower case, r"),
        ({}, {"results_table": "notemill_experiments"}, "is the table of experiments already"),
        ({}, {"failures_table": "notemill_experiments"}, "is the table of experiments already"),
        ({}, {"results_table": "Notemill_Staging"}, "notemill's own temporary table"),
    ],
)
def test_tables_that_two_uses_would_fight_over_are_refused(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], words: str
) -> None:
    with pytest.raises(NotemillError, match="tables do not fit together") as refused:
        plan(tmp_path, {"a": first, "b": second})
    assert words in refused.value.what
    assert "results_table" in refused.value.remedy


@pytest.mark.parametrize(
    "second",
    [
        {"model": "m:2"},
        {"task": "same"},
        {"task": "long", "results_table": "s"},
        {"task": "fever", "results_table": "s", "failures_table": "r_failures"},
    ],
)
def test_experiments_whose_columns_are_alike_share_a_table(
    tmp_path: Path, second: dict[str, Any]
) -> None:
    assert len(plan(tmp_path, {"a": {}, "b": second})) == 2


def test_one_table_has_evidence_of_all_that_share_it_or_of_none(tmp_path: Path) -> None:
    both = {"one": {"task": "one"}, "two": {"task": "two"}}
    for name in both:
        write_task(tmp_path, name=name)
    (tmp_path / "one" / "task.yaml").write_text("evidence: reason")
    with pytest.raises(NotemillError, match=r"evidence_grade \(text up to 255 there, none here\)"):
        plan(tmp_path, both)
    (tmp_path / "two" / "task.yaml").write_text("evidence: reason")
    assert len(plan(tmp_path, both)) == 2


def test_cohorts_with_other_id_columns_are_not_put_into_one_table(tmp_path: Path) -> None:
    cohorts = {"chest": CHEST, "ct": CHEST | {"id_columns": ["visit", "series"]}}
    with pytest.raises(NotemillError, match="chest and ct have other id columns"):
        plan(tmp_path, {"a": {}}, cohorts=cohorts)
    apart = {"a": {"cohorts": ["chest"]}, "b": {"cohorts": ["ct"]}}
    with pytest.raises(NotemillError, match=r"r has other id columns by experiments\.a"):
        plan(tmp_path, apart, cohorts=cohorts)
    apart["b"] |= {"results_table": "s"}  # type: ignore[dict-item]
    assert len(plan(tmp_path, apart, cohorts=cohorts)) == 2


def test_a_field_named_as_an_id_column_is_refused_before_any_job(tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match="columns visit are taken"):
        plan(tmp_path, {"a": {"task": "visits", "answer_prefix": ""}})


def test_more_fields_than_a_table_takes_are_refused_before_any_job(tmp_path: Path) -> None:
    with pytest.raises(
        NotemillError, match="has 151 fields, a table of MySQL takes 150"
    ) as refused:
        plan(tmp_path, {"a": {"task": "many"}})
    assert refused.value.where == str(tmp_path / "many" / "schema.py")
    assert plan(tmp_path, {"a": {"task": "wide"}})


def test_a_query_that_names_a_table_of_the_load_is_only_pointed_out(tmp_path: Path) -> None:
    for query, hints in (
        ("SELECT visit, note FROM notes", 0),
        ("SELECT visit, note FROM r_notes", 0),
        ("SELECT visit, note FROM `clinic`.`r`", 1),
        ("SELECT visit, note FROM notes WHERE visit NOT IN (SELECT visit FROM R)", 1),
    ):
        (run,) = plan(tmp_path, {"a": {}}, cohorts={"chest": CHEST | {"query": query}})
        assert len(run.remarks) == hints, query


@pytest.mark.parametrize("column", sorted(OWN_COLUMNS))
def test_columns_of_notemills_own_are_refused_before_anything_runs(
    tmp_path: Path, column: str
) -> None:
    with pytest.raises(NotemillError, match=f"id_columns uses {column}") as refused:
        plan(tmp_path, {"a": {}}, cohorts={"chest": CHEST | {"id_columns": [column.upper()]}})
    assert f"SELECT {column} AS note_{column}" in refused.value.remedy

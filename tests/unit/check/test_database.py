"""`notemill check --database` on SQLite: what extract and load would meet, and no change."""

from __future__ import annotations

from typing import Any

import pytest

from notemill.check import queries
from notemill.database.connect import connect
from notemill.evaluation.table import evaluations_table
from tests.unit.check.conftest import Checked, files, one


def test_a_query_is_shown_with_what_its_columns_become(checked: Checked) -> None:
    checked.clinic.fill((1, "PRIVATE one"), (2, None), (3, "three"))
    checked.cohort["query"] = "SELECT visit, note, 7 AS ward FROM notes ORDER BY visit;"
    before = files(checked.folder)
    found = checked.found("--database")
    assert checked.status == 0
    assert one(found, "cohort chest: the query gives rows")["details"] == [
        "visit: id, integer",
        "note: the note's text",
        "ward: not used",
    ]
    assert one(found, "cohort chest: 3 rows")
    assert one(found, "connected to SQLite")
    assert one(found, "no table exists yet")
    assert one(found, "its folder can be written")
    assert one(found, "table r")["details"][0].startswith("visit BIGINT, llm_response")
    assert "PRIVATE" not in checked.text("--database")
    assert {path for path, text in files(checked.folder).items() if before.get(path) != text} <= {
        checked.folder / "my.yaml"
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"text_column": "text"}, "column 'text' is not in the result"),
        ({"id_columns": ["visits"]}, "column 'visits' is not in the result"),
        ({"query": "SELECT visit, note, visit FROM notes"}, "column 'visit' is twice"),
        ({"query": "SELECT visit, note FROM nots"}, "no such table: nots"),
        ({"query": "SELECT visit, note FROM notes WHERE 0"}, "returned nothing"),
        ({"query": "DELETE FROM notes RETURNING visit, note"}, "wants to write"),
        ({"query": "SAVEPOINT a"}, "gives no rows"),
        ({"query": "SELECT visit, 1 AS note FROM notes"}, "holds int, not text"),
        ({"query": "SELECT NULL AS visit, note FROM notes"}, "is NULL on some row"),
        ({"query": "SELECT 1.5 AS visit, note FROM notes"}, "of a kind that can't name a note"),
    ],
)
def test_what_extract_would_refuse_is_refused_beside_all_else(
    checked: Checked, changes: dict[str, Any], words: str
) -> None:
    checked.clinic.fill((1, "x"), (2, "y"))
    good = dict(checked.cohort)
    checked.cohort.update(changes)
    checked.values["cohorts"]["other"] = good
    checked.experiment["cohorts"] = ["other"]
    found = checked.found("--database")
    assert checked.status == 1
    assert words in one([each for each in found if each["level"] == "refusal"], "")["what"]
    assert one(found, "cohort other: 2 rows")
    assert checked.clinic.rows("SELECT COUNT(*) FROM notes") == [(2,)]


def test_rows_beyond_the_first_are_looked_at_by_counting(checked: Checked) -> None:
    checked.clinic.fill(*((n, "x") for n in range(40)), (None, "late"), (3, "other"), (4, "x"))
    found = checked.found("--database")
    assert one(found, "1 of 43 rows have NULL in an id column")["level"] == "refusal"
    # Rows without an id are one more id here; NULL is told above.
    assert one(found, "2 rows repeat an id")["level"] == "warning"
    checked.cohort["same_id_different_text"] = "first"
    checked.cohort["query"] += " WHERE visit IS NOT NULL"
    found = checked.found("--database")
    assert checked.status == 0
    assert one(found, "and the query has no order")["level"] == "warning"
    assert not [each for each in found if "repeat an id" in each["what"]]


def test_a_query_that_takes_too_long_is_not_waited_for(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "LOOK_S", 0)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    checked.cohort["query"] = f"{endless} SELECT i AS visit, 'x' AS note FROM n WHERE i < 0"
    found = checked.found("--database")
    assert one(found, "gave no row within 0 s")["level"] == "warning"
    checked.cohort["query"] = f"{endless} SELECT i AS visit, 'x' AS note FROM n"
    found = checked.found("--database")
    assert one(found, "its rows were not counted")["level"] == "warning"
    assert checked.status == 0


def test_a_query_that_cannot_stand_in_another_is_tried_as_it_is(checked: Checked) -> None:
    checked.clinic.fill(*((n, "x") for n in range(10)))
    checked.cohort["query"] = "VALUES (1, 'x'), (2, 'y')"
    checked.cohort["id_columns"], checked.cohort["text_column"] = ["column1"], "column2"
    assert one(checked.found("--database"), "cohort chest: 2 rows")
    checked.cohort["query"] = "EXPLAIN QUERY PLAN SELECT 1"
    checked.cohort["id_columns"], checked.cohort["text_column"] = ["id"], "detail"
    assert one(checked.found("--database"), "its rows can't be counted")["level"] == "ok"


def test_a_table_that_would_cut_answers_is_refused_before_anything_runs(checked: Checked) -> None:
    checked.clinic.fill((1, "x"))
    checked.clinic.run("CREATE TABLE r (visit INTEGER, llm_response BLOB)")
    found = checked.found("--database")
    assert checked.status == 1
    assert one(found, "table r exists, and")["where"] == "r"
    assert checked.clinic.rows("SELECT name FROM sqlite_master ORDER BY 1") == [("notes",), ("r",)]


LABELS = "SELECT visit, 'yes' AS gold FROM notes"


def with_gold(checked: Checked, query: str, **more: Any) -> None:
    """An evaluation of the answers to two notes, by a query's labels."""
    checked.clinic.fill((1, "x"), (2, "y"))
    values = {"cohort": "chest", "query": query, "fields": {"response": "gold"}}
    checked.values["evaluations"] = {"labels": values | more}


def test_labels_that_come_by_a_query_are_tried_and_their_columns_named(checked: Checked) -> None:
    with_gold(checked, LABELS)
    found = checked.found("--database")
    assert checked.status == 0
    assert one(found, "evaluation labels: its query gives rows with visit, gold")["level"] == "ok"


@pytest.mark.parametrize(
    ("query", "more", "words"),
    [
        ("SELECT visit, 'yes' AS Gold FROM notes", {}, "'Gold' is not 'gold'"),
        (LABELS, {"patient": "whose"}, "the gold has no column whose"),
        ("SELECT visit, gold FROM nowhere", {}, "no such table: nowhere"),
        (f"{LABELS} WHERE 0", {}, "the query of evaluation 'labels' returned nothing"),
        ("SAVEPOINT a", {}, "the query of evaluation 'labels' gives no rows"),
        ("DELETE FROM notes RETURNING visit, 1 AS gold", {}, "wants to write"),
    ],
)
def test_labels_that_evaluate_would_refuse_are_refused_before_anything_is_asked(
    checked: Checked, query: str, more: dict[str, Any], words: str
) -> None:
    with_gold(checked, query, **more)
    found = checked.found("--database")
    assert checked.status == 1
    (refusal,) = [each for each in found if each["level"] == "refusal"]
    assert words in refusal["what"]
    assert "labels" in refusal["what"] + refusal["where"]
    assert checked.clinic.rows("SELECT COUNT(*) FROM notes") == [(2,)]


def test_labels_that_take_too_long_are_not_waited_for(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    with_gold(checked, f"{endless} SELECT i AS visit, 1 AS gold FROM n WHERE i < 0")
    monkeypatch.setattr(queries, "LOOK_S", 0)
    found = checked.found("--database")
    assert one(found, "evaluation labels: the query gave no row within 0 s")["level"] == "warning"


def test_a_table_of_figures_that_would_cut_them_is_refused_and_one_that_keeps_them_told(
    checked: Checked,
) -> None:
    with_gold(checked, LABELS)
    table = evaluations_table(checked.config.evaluations_table)
    engine = connect(checked.config.database)
    table.create(engine)
    engine.dispose()
    kept = f"evaluations: {table.name} exists and keeps every figure"
    assert one(checked.found("--database"), kept)["level"] == "ok"
    checked.clinic.run(f"DROP TABLE {table.name}")
    checked.clinic.run(f"CREATE TABLE {table.name} (evaluation TEXT, value TEXT)")
    found = checked.found("--database")
    assert checked.status == 1
    assert one(found, f"table {table.name} exists, and")["where"] == table.name


def test_a_missing_database_is_one_refusal(checked: Checked) -> None:
    checked.clinic.file.unlink()
    found = checked.found("--database")
    assert one([each for each in found if each["level"] == "refusal"], "")["what"] == (
        "the SQLite file of database.url does not exist"
    )
    checked.clinic.file.write_text("no database at all, but a text that is long enough to be one")
    assert any("not a database" in each["what"] for each in checked.found("--database"))

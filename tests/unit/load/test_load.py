"""notemill.load on SQLite; on servers: tests/servers/test_load_everywhere.py."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from notemill.answers.grades import Grade
from notemill.config import OllamaEngine
from notemill.errors import NotemillError
from notemill.load.loader import load
from notemill.tasks.task import read_task
from tests.unit.conftest import Clinic, write_task
from tests.unit.load.rows import FAILURES, RESULTS, everything, statements
from tests.unit.loads import ID, NAME, Loads


def test_every_note_is_in_one_table(loads: Loads) -> None:
    report = loads.load()
    assert loads.clinic.rows(RESULTS) == [
        (1, "yes", "of one", ID),
        (3, "yes", "of three", ID),
        (4, "yes", "of one", ID),
    ]
    assert loads.clinic.rows(FAILURES) == [
        (2, "schema", ID),
        (5, "blank", ID),
        (6, "blank", ID),
    ]
    assert (report.notes, report.answered, report.failed, report.blank) == (6, 3, 1, 2)
    assert report.failed_by_status == {"schema": 1}
    assert (report.rows, report.texts, report.asked, report.tokens) == (6, 3, 3, 90)


def test_the_results_table_begins_as_users_know_it(loads: Loads) -> None:
    loads.load()
    names = loads.clinic.columns("answers")
    assert names[:4] == ["visit", "llm_response", "llm_reason", "query_meta"]
    assert loads.clinic.rows("SELECT DISTINCT query_meta, cohort FROM answers") == [(NAME, "chest")]


def test_the_experiments_table_says_how_the_rows_were_made(loads: Loads) -> None:
    loads.load()
    columns = (
        "name, task, model, model_digest, engines, system_prompt, user_prompt, notes, answered"
    )
    assert loads.clinic.rows(f"SELECT {columns} FROM experiments") == [
        (NAME, "cough", "m:1", "m" * 64, "small 1", "You read notes.", "Read:\n{note}", 6, 3)
    ]


def quoting(loads: Loads, *lines: str) -> Loads:
    """The same clinic, with a task that names evidence."""
    folder = loads.task.folder
    (folder / "task.yaml").write_text("\n".join(lines or ("evidence: reason",)))
    return Loads(loads.clinic, read_task(folder.parent, folder.name), loads.answer_to)


def test_evidence_comes_into_the_table_with_its_place_and_its_share(loads: Loads) -> None:
    text = "\N{STETHOSCOPE} No fever, and a cough for three days."
    loads.clinic.fill((7, text))
    loads.clinic.extract("fever")
    loads = quoting(loads)
    loads.answer({"two": "schema"}, reason="A cough for three days.", cohort="fever")
    report = loads.load("fever")
    columns = "visit, evidence_grade, evidence_start, evidence_end"
    assert loads.clinic.rows(f"SELECT {columns} FROM answers ORDER BY visit") == [
        (1, "absent", None, None),
        (3, "absent", None, None),
        (4, "absent", None, None),
        (7, "normalised", text.index("a cough"), text.index(".")),
    ]
    assert report.evidence == dict.fromkeys(Grade, 0) | {"absent": 3, "normalised": 1}
    ((shares,),) = loads.clinic.rows("SELECT evidence FROM experiments")
    assert json.loads(shares) == report.evidence
    names = loads.clinic.columns("answers")
    assert names[:4] == ["visit", "llm_response", "llm_reason", "query_meta"]
    assert names[-3:] == ["evidence_grade", "evidence_start", "evidence_end"]
    assert "evidence_grade" not in loads.clinic.columns("answers_failures")


def test_without_evidence_there_is_no_column_and_no_share(loads: Loads) -> None:
    assert loads.load().evidence is None
    assert "evidence" not in str(loads.clinic.columns("answers"))
    assert loads.clinic.rows("SELECT evidence FROM experiments") == [(None,)]


def test_shards_of_before_evidence_was_named_are_not_loaded_as_if_they_had_it(
    loads: Loads,
) -> None:
    loads.load()
    before, rows = everything(loads.clinic), loads.clinic.rows(RESULTS)
    loads = quoting(loads)
    with pytest.raises(NotemillError, match="has other evidence: none") as refused:
        loads.load(results_table="fresh")
    assert "--forcerun answer" in (refused.value.remedy or "")
    loads.answer({"two": "schema"})
    with pytest.raises(
        NotemillError, match="evidence_grade, evidence_start, evidence_end are missing"
    ) as refused:
        loads.load()
    assert everything(loads.clinic) == before
    for statement in statements(refused.value):
        loads.clinic.run(statement)
    report = loads.load()
    assert report.evidence == dict.fromkeys(Grade, 0) | {"not_a_quote": 3}
    assert loads.clinic.rows(RESULTS) == rows
    other = quoting(loads, "evidence: reason", "no_evidence: of one")
    with pytest.raises(NotemillError, match="has other evidence: evidence reason"):
        other.load()


def test_a_repeated_load_leaves_the_same_rows(loads: Loads) -> None:
    loads.load()
    before = everything(loads.clinic)
    loads.load()
    assert everything(loads.clinic) == before


def test_a_repeated_load_writes_no_row_that_is_there_already(
    loads: Loads, caplog: pytest.LogCaptureFixture
) -> None:
    first = loads.load()
    for table in ("answers", "answers_failures"):
        loads.clinic.forbid(table)
    caplog.set_level("INFO", "notemill")
    again = loads.load()
    assert "none was written" in caplog.text
    assert again.model_dump(exclude={"load_seconds"}) == first.model_dump(exclude={"load_seconds"})
    loads.answer({"two": "timeout"})
    with pytest.raises(NotemillError, match="refuse") as refused:
        loads.load()
    assert "PRIVATE" not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE answers SET llm_reason = 'Of three' WHERE visit = 3",
        "UPDATE answers SET seconds = seconds + 1e-15 WHERE visit = 4",
        "UPDATE answers_failures SET visit = 7 WHERE visit = 6",
        "UPDATE answers SET query_meta = 'other'",
        "DELETE FROM answers WHERE visit = 4",
        "INSERT INTO answers_failures SELECT * FROM answers_failures WHERE visit = 5",
        "UPDATE answers SET visit = 7 WHERE visit = 1",
    ],
)
def test_a_repeated_load_brings_back_what_another_program_changed(
    loads: Loads, change: str
) -> None:
    loads.load()
    before = everything(loads.clinic)
    changed = change.replace("SELECT *", "SELECT 9, " + _but_the_id(loads))
    loads.clinic.run(changed)
    assert everything(loads.clinic) != before
    loads.load()
    assert everything(loads.clinic) == before


def _but_the_id(loads: Loads) -> str:
    return ", ".join(loads.clinic.columns("answers_failures")[1:])


def test_a_note_that_comes_to_be_answered_moves_and_moves_back(loads: Loads) -> None:
    loads.load()
    before = everything(loads.clinic)
    loads.answer({"one": "timeout"}, reason="new")
    assert loads.load().failed_by_status == {"timeout": 2}
    assert loads.clinic.rows(RESULTS) == [(2, "yes", "new", ID), (3, "yes", "new", ID)]
    assert [row[:2] for row in loads.clinic.rows(FAILURES)] == [
        (1, "timeout"),
        (4, "timeout"),
        (5, "blank"),
        (6, "blank"),
    ]
    loads.answer({"two": "schema"})
    loads.load()
    assert [row[:5] for row in everything(loads.clinic)[0]] == [row[:5] for row in before[0]]


def test_the_experiments_row_says_every_setting_that_can_change_an_answer(loads: Loads) -> None:
    work = loads.work(attempts=5, options={"seed": 7})
    ollama = OllamaEngine(kind="ollama", models=Path("/store"), kv_cache_type="q8_0")
    loads.answer()
    load(loads.clinic.database, replace(work, run=replace(work.run, engine=ollama)))
    ((row,),) = loads.clinic.rows("SELECT options FROM experiments")
    options = json.loads(row)
    assert options["seed"] == 7
    assert options["attempts"] == 5
    assert (options["engine"], options["kv_cache_type"]) == ("ollama", "q8_0")


def test_two_experiments_share_a_table_and_leave_each_other_alone(loads: Loads) -> None:
    other = "cough-ba9876543210"
    loads.load()
    mine = loads.clinic.rows(RESULTS), loads.clinic.rows(FAILURES)
    loads.answer({"one": "timeout"}, experiment=other, reason="other")
    loads.load(experiment=other)
    results, failures = loads.clinic.rows(RESULTS), loads.clinic.rows(FAILURES)
    assert [row for row in results if row[3] == ID] == mine[0]
    assert [row for row in failures if row[2] == ID] == mine[1]
    assert [row[0] for row in results if row[3] == other] == [2, 3]
    assert loads.clinic.rows("SELECT count(*) FROM experiments") == [(2,)]


def test_two_cohorts_that_share_ids_leave_each_other_alone(loads: Loads) -> None:
    """Ids 1 and 2 with other texts, in a cohort whose name differs by a letter's case."""
    loads.load()
    before = everything(loads.clinic)
    note = "CASE visit WHEN 1 THEN 'an addendum to one' ELSE 'an addendum to two' END"
    query = f"SELECT visit, {note} AS note FROM notes WHERE visit < 3"
    loads.clinic.extract("Chest", query=query)
    loads.answer({"an addendum to one": "timeout"}, cohort="Chest", reason="of the addendum")
    assert loads.load("Chest").notes == 2
    in_both = [[row for row in rows if "chest" in row] for rows in everything(loads.clinic)]
    assert in_both == before
    rows = "SELECT visit FROM {} WHERE cohort = 'Chest'"
    assert loads.clinic.rows(rows.format("answers")) == [(2,)]
    assert loads.clinic.rows(rows.format("answers_failures")) == [(1,)]
    assert loads.load().removed == 0
    assert loads.load("Chest").removed == 0


def test_rows_of_notes_that_the_cohort_no_longer_has_are_removed_and_counted(
    loads: Loads,
) -> None:
    loads.load()
    other = "cough-ba9876543210"
    loads.answer(experiment=other)
    loads.load(experiment=other)
    kept = [[row for row in rows if other in row] for rows in everything(loads.clinic)]
    shutil.rmtree(loads.clinic.layout.cohort("chest"))  # given up, as the plan's message says
    query = "SELECT visit, note FROM notes WHERE visit IN (3, 4, 6)"
    loads.clinic.extract(query=query)
    loads.answer()
    report = loads.load()
    assert (report.notes, report.removed) == (3, 3)
    assert loads.clinic.rows(f"SELECT visit FROM answers WHERE experiment = '{ID}'") == [(3,), (4,)]
    assert loads.clinic.rows(f"SELECT visit FROM answers_failures WHERE experiment = '{ID}'") == [
        (6,)
    ]
    assert [[row for row in rows if other in row] for rows in everything(loads.clinic)] == kept
    assert loads.load().removed == 0


def test_rows_of_another_program_stay(loads: Loads) -> None:
    loads.load()
    loads.clinic.run(
        "INSERT INTO answers (visit, experiment, query_meta, cohort, text_sha256) "
        "VALUES (1, 'by hand', '', '', ''), (99, 'by hand', '', '', '')"
    )
    loads.load()
    assert len(loads.clinic.rows("SELECT * FROM answers WHERE experiment = 'by hand'")) == 2


texts = st.sampled_from(["one", "two", "three", "four"])
failures = st.dictionaries(texts, st.sampled_from(["schema", "timeout", "too_long"]))


@given(steps=st.lists(failures, min_size=1, max_size=3), notes=st.lists(texts, min_size=1))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_loads_the_tables_hold_the_last_one(
    new_clinic: Callable[[], Clinic], steps: list[dict[str, str]], notes: list[str]
) -> None:
    hold_the_last_of(new_clinic(), steps, notes)


def hold_the_last_of(clinic: Clinic, steps: list[dict[str, str]], notes: list[str]) -> None:
    """Load each step's answers, which failed of which texts, and look at what is left."""
    clinic.fill(*enumerate(notes))
    clinic.extract()
    loads = Loads(clinic, write_task(clinic.folder / "tasks"))
    for failed in steps:
        loads.answer(failed)
        loads.load()
    found = {visit: "answered" for visit, *_ in clinic.rows(RESULTS)}
    found |= {visit: status for visit, status, _ in clinic.rows(FAILURES)}
    assert found == {visit: steps[-1].get(text, "answered") for visit, text in enumerate(notes)}
    assert len(clinic.rows(RESULTS)) + len(clinic.rows(FAILURES)) == len(notes)


@given(
    table=st.sampled_from(["answers", "answers_failures"]),
    column=st.integers(1, 30),
    visit=st.integers(1, 6),
    value=st.none() | st.sampled_from(["", "Yes", "yes ", 0, 7, 0.5, b"yes"]),
)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whichever_value_was_changed_the_next_load_sees_it_and_brings_it_back(
    loads: Loads, table: str, column: int, visit: int, value: Any
) -> None:
    loads.load()
    before = everything(loads.clinic)
    names = [
        name for (name,) in loads.clinic.rows(f"SELECT name FROM pragma_table_info('{table}')")
    ]
    name = names[column % len(names)]
    assume(name not in ("visit", "experiment", "cohort"))
    with suppress(sqlite3.IntegrityError):
        loads.clinic.run(f"UPDATE {table} SET {name} = ? WHERE visit = {visit}", [(value,)])
    loads.load()
    assert repr(everything(loads.clinic)) == repr(before)

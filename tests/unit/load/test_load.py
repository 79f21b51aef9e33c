"""notemill.load on SQLite; on MariaDB: tests/workflow."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.config import OllamaEngine
from notemill.errors import NotemillError
from notemill.load.loader import load
from notemill.load.rehearsal import prepare_tables
from tests.unit.conftest import Clinic, write_task
from tests.unit.loads import ID, NAME, Loads

ROOT = Path(__file__).parents[3]
NOTES = [(1, "one"), (2, "two"), (3, "three"), (4, "one"), (5, " "), (6, None)]
RESULTS = "SELECT visit, llm_response, llm_reason, experiment FROM answers ORDER BY visit"
FAILURES = "SELECT visit, status, experiment FROM answers_failures ORDER BY visit"


@pytest.fixture
def loads(clinic: Clinic) -> Loads:
    clinic.fill(*NOTES)
    clinic.extract()
    loads = Loads(clinic, write_task(clinic.folder / "tasks"))
    loads.answer({"two": "schema"})
    return loads


def everything(clinic: Clinic, *, but: str = "") -> list[list[tuple[Any, ...]]]:
    """All rows of all tables, without the time of the load and the column `but`."""
    queries = ["SELECT experiment, cohort, notes, texts, answered, failed, blank FROM experiments"]
    for table in ("answers", "answers_failures"):
        names = [name for (name,) in clinic.rows(f"SELECT name FROM pragma_table_info('{table}')")]
        queries.append(f"SELECT {', '.join(n for n in names if n != but)} FROM {table}")
    return [clinic.rows(f"{query} ORDER BY 1, 2") for query in queries]


def tables(clinic: Clinic) -> list[str]:
    return [name for (name,) in clinic.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]


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
    names = [row[1] for row in loads.clinic.rows("PRAGMA table_info(answers)")]
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


def test_a_repeated_load_leaves_the_same_rows(loads: Loads) -> None:
    loads.load()
    before = everything(loads.clinic)
    loads.load()
    assert everything(loads.clinic) == before


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
    query = "SELECT visit, 'an addendum to ' || note AS note FROM notes WHERE visit < 3"
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
@settings(max_examples=10)
def test_after_any_loads_the_tables_hold_the_last_one(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, str]], notes: list[str]
) -> None:
    clinic = Clinic(tmp_path_factory.mktemp("clinic"))
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


class TestATableThatIsThere:
    SAME = (
        "CREATE TABLE answers (visit INTEGER NOT NULL, experiment TEXT NOT NULL, "
        "llm_response TEXT, llm_reason TEXT, query_meta TEXT, cohort TEXT, text_sha256 TEXT, "
        "engine TEXT, attempts INT, changes TEXT, prompt_tokens INT, answer_tokens INT, "
        "control_tokens INT, "
        "seconds REAL, answered_at TEXT, mine TEXT"
    )

    def test_of_another_shape_is_refused_with_the_remedy(self, loads: Loads) -> None:
        loads.clinic.run("CREATE TABLE answers (visit INTEGER PRIMARY KEY, llm_response TEXT)")
        with pytest.raises(NotemillError, match=r"the columns llm_reason, .* missing") as refused:
            loads.load()
        assert refused.value.where == "answers"
        assert "choose another name" in refused.value.remedy
        assert loads.clinic.rows("SELECT * FROM answers") == []

    def test_without_the_key_is_refused_and_the_remedy_helps(self, loads: Loads) -> None:
        loads.clinic.run(f"{self.SAME})")
        with pytest.raises(NotemillError, match="no unique key is over visit, exp") as refused:
            loads.load()
        (statement,) = statements(refused.value)
        assert statement.startswith("CREATE UNIQUE INDEX")
        loads.clinic.run(statement)
        assert loads.load().answered == 3

    @pytest.mark.parametrize(
        "key",
        ["PRIMARY KEY (cohort, experiment, visit)", "UNIQUE (visit, experiment, cohort)"],
    )
    def test_with_the_key_and_more_columns_is_used(self, loads: Loads, key: str) -> None:
        loads.clinic.run(f"{self.SAME}, {key})")
        loads.load()
        loads.load()
        assert loads.clinic.rows("SELECT count(*) FROM answers") == [(3,)]

    def test_with_a_key_over_less_or_one_that_is_not_unique_is_refused(self, loads: Loads) -> None:
        loads.clinic.run(f"{self.SAME}, PRIMARY KEY (visit))")
        loads.clinic.run("CREATE INDEX both ON answers (visit, experiment)")
        with pytest.raises(NotemillError, match="no unique key"):
            loads.load()

    def test_of_0_1_0_is_refused_with_sql_that_mends_it(self, loads: Loads) -> None:
        loads.load()
        fresh = everything(loads.clinic, but="control_tokens")
        for table in ("answers", "answers_failures"):
            (created,) = loads.clinic.rows(f"SELECT sql FROM sqlite_master WHERE name = '{table}'")
            old = created[0].replace("(visit, experiment, cohort)", "(visit, experiment)")
            loads.clinic.run(f"ALTER TABLE {table} RENAME TO new")
            loads.clinic.run("ALTER TABLE new DROP COLUMN control_tokens")
            loads.clinic.run(old.replace("\tcontrol_tokens INTEGER, \n", ""))
            loads.clinic.run(f"INSERT INTO {table} SELECT * FROM new")
            loads.clinic.run("DROP TABLE new")
        with pytest.raises(NotemillError, match="no unique key is over visit, exp") as refused:
            loads.load()
        assert refused.value.where == "answers, answers_failures"
        assert everything(loads.clinic) == fresh
        for statement in statements(refused.value):
            loads.clinic.run(statement)
        assert everything(loads.clinic, but="control_tokens") == fresh
        loads.load()
        assert everything(loads.clinic, but="control_tokens") == fresh

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ("llm_response TEXT", "llm_response INT", "column llm_response is INT"),
            ("seconds REAL", "seconds INT", "column seconds is INT, not DOUBLE"),
            ("llm_reason TEXT", "llm_reason TEXT NOT NULL", "column llm_reason must be empty"),
            ("mine TEXT", "mine TEXT NOT NULL", "column mine, which is not notemill's"),
            ("attempts INT", "attempts INT AS (1)", "column attempts is computed"),
            ("mine TEXT", "mine TEXT, UNIQUE (visit)", "by its unique key"),
        ],
    )
    def test_that_could_not_keep_every_value_is_refused_and_mended(
        self, loads: Loads, old: str, new: str, told: str
    ) -> None:
        words = f"{self.SAME}, PRIMARY KEY (visit, experiment, cohort))"
        assert old in words
        loads.clinic.run(words.replace(old, new))
        with pytest.raises(NotemillError, match=told) as refused:
            loads.load()
        for statement in statements(refused.value):
            loads.clinic.run(statement)
        assert loads.load().answered == 3

    def test_of_other_ids_is_refused(self, loads: Loads) -> None:
        """'7' and '007' would be one note in a column of integers."""
        loads.load()
        before = everything(loads.clinic)
        loads.clinic.run("CREATE TABLE texts (visit TEXT, note TEXT)")
        loads.clinic.run("INSERT INTO texts VALUES (?, ?)", [("7", "one"), ("007", "two")])
        loads.clinic.extract("texts", query="SELECT visit, note FROM texts")
        loads.answer(cohort="texts")
        with pytest.raises(NotemillError, match="column visit is BIGINT, not VARCHAR") as refused:
            loads.load("texts")
        assert "choose another name" in refused.value.remedy
        assert everything(loads.clinic) == before
        assert loads.load("texts", results_table="by_text").answered == 2
        assert loads.clinic.rows("SELECT visit FROM by_text ORDER BY 1") == [("007",), ("7",)]

    def test_whose_key_takes_different_ids_as_one_is_refused(self, loads: Loads) -> None:
        loads.clinic.run(
            f"{self.SAME}, UNIQUE (visit, experiment COLLATE NOCASE, cohort COLLATE NOCASE))"
        )
        with pytest.raises(NotemillError, match="no unique key"):
            loads.load()

    def test_where_a_key_of_the_users_own_takes_two_notes_as_one_is_refused_before_any_gpu(
        self, loads: Loads
    ) -> None:
        prepare_tables(loads.clinic.database, loads.work())
        loads.clinic.run("ALTER TABLE answers ADD mine INTEGER NOT NULL DEFAULT 1")
        loads.clinic.run("CREATE UNIQUE INDEX one ON answers (mine)")
        with pytest.raises(NotemillError, match="SQLITE_CONSTRAINT_UNIQUE"):
            prepare_tables(loads.clinic.database, loads.work())

    @pytest.mark.parametrize("table", ["results_table", "failures_table"])
    def test_that_is_a_view_is_refused(self, loads: Loads, table: str) -> None:
        loads.clinic.run("CREATE VIEW looked_at AS SELECT * FROM notes")
        with pytest.raises(NotemillError, match="looked_at exists, and it is a view"):
            loads.load(**{table: "looked_at"})

    @pytest.mark.parametrize(
        "names",
        [
            {"results_table": "notes"},
            {"failures_table": "notes"},
            {"failures_table": "Answers"},
            {"failures_table": "experiments"},
            {"results_table": "Experiments"},
        ],
    )
    def test_that_is_another_one_of_ours_or_the_notes_is_refused(
        self, loads: Loads, names: dict[str, str]
    ) -> None:
        with pytest.raises(NotemillError, match=r"three tables|are missing") as refused:
            loads.load(**names)
        assert "ALTER" not in refused.value.remedy
        assert loads.clinic.rows("SELECT count(*) FROM notes") == [(6,)]


def statements(refused: NotemillError) -> list[str]:
    """The SQL that an error tells to run."""
    sql = refused.remedy.partition(":\n")[2]
    return [each.strip() for each in sql.split(";") if each.strip()]


def test_a_load_killed_in_the_middle_changes_nothing(loads: Loads) -> None:
    loads.load()
    before = everything(loads.clinic)
    loads.answer({"one": "timeout"}, reason="new")
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from notemill.load import loader, proof\n"
        "from tests.unit.loads import reopened\n"
        "proof.Prover._refuse_differences = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "reopened(Path(sys.argv[1])).load()\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(loads.clinic.folder)], check=False, cwd=ROOT
    )
    assert killed.returncode == -signal.SIGKILL
    assert everything(loads.clinic) == before
    assert loads.load().failed_by_status == {"timeout": 2}


class TestACountThatDoesNotComeOut:
    @pytest.mark.parametrize("table", ["answers", "answers_failures"])
    def test_changes_nothing(self, loads: Loads, table: str) -> None:
        loads.load()
        before = everything(loads.clinic)
        loads.answer({"three": "schema"}, reason="new")
        loads.clinic.run(
            f"CREATE TRIGGER thief AFTER INSERT ON {table} WHEN NEW.visit IN (2, 3) "
            f"BEGIN DELETE FROM {table} WHERE visit IN (2, 3); END"
        )
        with pytest.raises(NotemillError, match="6 notes in the cohort, 5 in the database") as no:
            loads.load()
        assert "trigger" in no.value.remedy
        assert everything(loads.clinic) == before

    def test_because_of_a_row_too_many_changes_nothing(self, loads: Loads) -> None:
        loads.load()
        before = everything(loads.clinic)
        loads.answer(reason="new")
        loads.clinic.run(
            "CREATE TRIGGER forger AFTER UPDATE ON answers WHEN NEW.visit = 3 BEGIN "
            "INSERT INTO answers (visit, query_meta, experiment, cohort, text_sha256) "
            "VALUES (99, '', NEW.experiment, NEW.cohort, ''); END"
        )
        with pytest.raises(NotemillError, match="6 notes in the cohort, 7 in the database"):
            loads.load()
        assert everything(loads.clinic) == before


class TestAValueThatComesBackAsAnother:
    @pytest.mark.parametrize(
        ("table", "column", "value"),
        [
            ("answers", "llm_reason", "upper(NEW.llm_reason)"),
            ("answers", "llm_reason", "NEW.llm_reason || ' '"),
            ("answers", "llm_reason", "NULL"),
            ("answers", "llm_response", "'no'"),
            ("answers", "query_meta", "'other'"),
            ("answers", "text_sha256", "upper(NEW.text_sha256)"),
            ("answers", "seconds", "NEW.seconds * 1.0000000000000002"),
            ("answers", "attempts", "CAST(NEW.attempts AS REAL) + 0.5"),
            ("answers", "answered_at", "'junk'"),
            ("answers_failures", "detail", "'other'"),
            ("answers_failures", "status", "'timeout'"),
            ("experiments", "answered", "NEW.answered + 1"),
            ("experiments", "options", "'{}'"),
        ],
    )
    def test_changes_nothing_and_names_the_column(
        self, loads: Loads, table: str, column: str, value: str
    ) -> None:
        loads.load()
        before = everything(loads.clinic)
        loads.answer({"three": "schema"}, reason="new")
        key = {"experiments": "cohort = NEW.cohort"}.get(table, "visit = NEW.visit")
        for event in ("INSERT", "UPDATE"):
            loads.clinic.run(
                f"CREATE TRIGGER {event}_liar AFTER {event} ON {table} "
                f"BEGIN UPDATE {table} SET {column} = {value} WHERE {key}; END"
            )
        with pytest.raises(NotemillError, match=column) as refused:
            loads.load()
        assert "gives back" in refused.value.what
        assert "junk" not in str(refused.value)
        assert everything(loads.clinic) == before

    def test_of_one_note_is_caught_too(self, loads: Loads) -> None:
        loads.load()
        loads.clinic.run("DELETE FROM answers")
        loads.clinic.run(
            "CREATE TRIGGER swap AFTER INSERT ON answers WHEN NEW.visit = 3 "
            "BEGIN UPDATE answers SET visit = 33 WHERE visit = 3; END"
        )
        with pytest.raises(NotemillError, match="1 rows are not once in answers"):
            loads.load()
        assert loads.clinic.rows(RESULTS) == []

    def test_the_report_says_how_many_values_were_compared(self, loads: Loads) -> None:
        report = loads.load()
        widths = [
            len(loads.clinic.rows(f"PRAGMA table_info({table})"))
            for table in ("answers", "answers_failures")
        ]
        assert report.values_compared == 3 * widths[0] + 3 * widths[1]


class TestAShard:
    def test_of_another_experiment_is_refused(self, loads: Loads) -> None:
        loads.answer(experiment="cough-other")
        loads.shard("0000", experiment="cough-other").replace(loads.shard("0000"))
        with pytest.raises(
            NotemillError, match="is of cough-other, cohort 'chest', shard 0000"
        ) as refused:
            loads.load()
        assert refused.value.where == str(loads.shard("0000"))
        assert tables(loads.clinic) == ["notes"]

    def test_of_another_cohort_is_refused(self, loads: Loads) -> None:
        work = loads.work()
        moved = work.manifest.model_copy(update={"cohort": "other"})
        with pytest.raises(NotemillError, match="cohort 'chest', shard 0000"):
            load(loads.clinic.database, replace(work, manifest=moved))
        assert tables(loads.clinic) == ["notes"]

    def test_of_another_number_is_refused(self, loads: Loads) -> None:
        loads.shard("0000").write_bytes(loads.shard("0001").read_bytes())
        with pytest.raises(NotemillError, match="shard 0001"):
            loads.load()

    def test_of_other_notes_is_refused(self, loads: Loads) -> None:
        loads.answer(notes_digest="other")
        with pytest.raises(NotemillError, match="answers other notes") as refused:
            loads.load()
        assert "only failed notes" in refused.value.remedy

    def test_of_another_model_is_refused(self, loads: Loads) -> None:
        one = loads.shard("0000").read_bytes()
        loads.answer(model_digest="n" * 64)
        loads.shard("0000").write_bytes(one)
        with pytest.raises(NotemillError, match="2 different models: mmmmmmmmmmmm, nnnnnnnnnnnn"):
            loads.load()

    def test_that_is_cut_short_is_refused(self, loads: Loads) -> None:
        loads.shard("0001").write_bytes(loads.shard("0001").read_bytes()[:-10])
        with pytest.raises(NotemillError, match="damaged or cut short"):
            loads.load()
        assert tables(loads.clinic) == ["notes"]

    def test_that_is_missing_is_refused(self, loads: Loads) -> None:
        loads.shard("0001").unlink()
        with pytest.raises(NotemillError, match="missing"):
            loads.load()


def test_answers_are_never_in_a_message(loads: Loads) -> None:
    loads.answer(reason="PRIVATE")
    loads.clinic.run(
        f"{TestATableThatIsThere.SAME}, UNIQUE (visit, experiment, cohort), "
        "CHECK (llm_reason <> 'PRIVATE'))"
    )
    with pytest.raises(NotemillError, match="loading 'cough'") as refused:
        loads.load()
    assert "PRIVATE" not in str(refused.value)
    assert loads.clinic.rows("SELECT * FROM answers") == []


def test_a_failures_table_of_another_name_is_used(loads: Loads) -> None:
    loads.load(failures_table="unanswered")
    assert loads.clinic.rows("SELECT count(*) FROM unanswered") == [(3,)]
    assert "answers_failures" not in tables(loads.clinic)

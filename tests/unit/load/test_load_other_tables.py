"""Loads into tables that are there already, or have names of the user's own."""

from __future__ import annotations

import pytest

from notemill.errors import NotemillError
from notemill.load.rehearsal import prepare_tables
from tests.unit.load.rows import everything, statements
from tests.unit.loads import Loads


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

    def test_whose_key_takes_different_ids_as_one_is_refused(self, loads: Loads) -> None:
        loads.clinic.run(
            f"{self.SAME}, UNIQUE (visit, experiment COLLATE NOCASE, cohort COLLATE NOCASE))"
        )
        with pytest.raises(NotemillError, match="no unique key"):
            loads.load()


class TestATableOnAnyServer:
    """On servers too: tests/servers/test_load_everywhere.py."""

    def test_of_other_ids_is_refused(self, loads: Loads) -> None:
        """'7' and '007' would be one note in a column of integers."""
        loads.load()
        before = everything(loads.clinic)
        loads.clinic.run("CREATE TABLE texts (visit VARCHAR(20), note TEXT)")
        loads.clinic.run("INSERT INTO texts VALUES (?, ?)", [("7", "one"), ("007", "two")])
        loads.clinic.extract("texts", query="SELECT visit, note FROM texts")
        loads.answer(cohort="texts")
        with pytest.raises(
            NotemillError, match=r"(?i)column visit is bigint.*, not varchar"
        ) as refused:
            loads.load("texts")
        assert "choose another name" in refused.value.remedy
        assert everything(loads.clinic) == before
        assert loads.load("texts", results_table="by_text").answered == 2
        assert loads.clinic.rows("SELECT visit FROM by_text ORDER BY 1") == [("007",), ("7",)]

    def test_where_a_key_of_the_users_own_takes_two_notes_as_one_is_refused_before_any_gpu(
        self, loads: Loads
    ) -> None:
        prepare_tables(loads.clinic.database, loads.work())
        loads.clinic.run("ALTER TABLE answers ADD mine INTEGER NOT NULL DEFAULT 1")
        loads.clinic.run("CREATE UNIQUE INDEX one ON answers (mine)")
        with pytest.raises(NotemillError, match=r"(?i)unique|1062"):
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

    def test_of_another_name_for_failures_is_used(self, loads: Loads) -> None:
        loads.load(failures_table="unanswered")
        assert loads.clinic.rows("SELECT count(*) FROM unanswered") == [(3,)]
        assert loads.clinic.columns("answers_failures") == []


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

"""Loads that fail: every table is as it was before. On servers: test_load_everywhere.py."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.load.loader import load
from tests.unit.load.rows import FAILURES, RESULTS, everything, tables
from tests.unit.loads import Loads

ROOT = Path(__file__).parents[3]


def test_a_load_killed_in_the_middle_changes_nothing(loads: Loads) -> None:
    loads.load()
    before = everything(loads.clinic)
    loads.answer({"one": "timeout"}, reason="new")
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from notemill.config import Database\n"
        "from notemill.load import proof\n"
        "from notemill.load.loader import load\n"
        "from tests.unit.loads import reopened\n"
        "proof.Prover._refuse_differences = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "loads = reopened(Path(sys.argv[1]))\n"
        "load(Database.model_validate_json(sys.argv[2]), loads.work())\n"
    )
    folder, address = loads.clinic.folder, loads.clinic.database.model_dump_json()
    killed = subprocess.run(
        [sys.executable, "-c", script, str(folder), address], check=False, cwd=ROOT
    )
    assert killed.returncode == -signal.SIGKILL
    assert everything(loads.clinic) == before
    assert loads.load().failed_by_status == {"timeout": 2}
    assert [row[0] for row in loads.clinic.rows(RESULTS)] == [2, 3]
    assert [row[0] for row in loads.clinic.rows(FAILURES)] == [1, 4, 5, 6]


class TestACountThatDoesNotComeOut:
    @pytest.mark.parametrize("table", ["answers", "answers_failures"])
    def test_changes_nothing(self, loads: Loads, table: str) -> None:
        loads.load()
        before = everything(loads.clinic)
        loads.answer({"three": "schema"}, reason="new")
        stolen = f"DELETE FROM {table} WHERE visit IN (2, 3)"
        loads.clinic.after("INSERT", table, "NEW.visit IN (2, 3)", stolen)
        with pytest.raises(NotemillError, match="6 notes in the cohort, 5 in the database") as no:
            loads.load()
        assert "trigger" in no.value.remedy
        assert everything(loads.clinic) == before

    def test_because_of_a_row_too_many_changes_nothing(self, loads: Loads) -> None:
        loads.load()
        before = everything(loads.clinic)
        loads.answer(reason="new")
        loads.clinic.after(
            "UPDATE",
            "answers",
            "NEW.visit = 3",
            "INSERT INTO answers (visit, query_meta, experiment, cohort, text_sha256) "
            "VALUES (99, '', NEW.experiment, NEW.cohort, '')",
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
            ("answers", "answered_at", "'2001-02-03 04:05:06.000000'"),
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
        loads.clinic.lie(table, column, value)
        with pytest.raises(NotemillError, match=column) as refused:
            loads.load()
        assert "gives back" in refused.value.what
        assert everything(loads.clinic) == before

    def test_of_one_note_is_caught_too(self, loads: Loads) -> None:
        loads.load()
        loads.clinic.run("DELETE FROM answers")
        swap = "UPDATE answers SET visit = 33 WHERE visit = 3"
        loads.clinic.after("INSERT", "answers", "NEW.visit = 3", swap)
        with pytest.raises(NotemillError, match="1 rows are not once in answers"):
            loads.load()
        assert loads.clinic.rows(RESULTS) == []

    def test_the_report_says_how_many_values_were_compared(self, loads: Loads) -> None:
        report = loads.load()
        widths = [len(loads.clinic.columns(table)) for table in ("answers", "answers_failures")]
        assert report.values_compared == 3 * widths[0] + 3 * widths[1]


def test_a_time_that_comes_back_as_no_time_changes_nothing_and_is_not_shown(loads: Loads) -> None:
    """A column of SQLite takes any text."""
    loads.load()
    before = everything(loads.clinic)
    loads.answer({"three": "schema"}, reason="new")
    loads.clinic.lie("answers", "answered_at", "'junk'")
    with pytest.raises(NotemillError, match="answered_at") as refused:
        loads.load()
    assert "gives back" in refused.value.what
    assert "junk" not in str(refused.value)
    assert everything(loads.clinic) == before


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

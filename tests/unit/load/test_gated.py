"""What a gate did, in tables: of their own, of before, and of experiments without one."""

from __future__ import annotations

import json

import pytest

from notemill.errors import NotemillError
from notemill.load.rehearsal import prepare_tables
from notemill.tasks.task import read_task
from tests.unit.load.rows import statements
from tests.unit.loads import Loads

GATED = "cough-ffffffffffff"
GATE = "gate: {settle_if: {second: two}, sections: {keep: [PLAN]}}"
DID = "SELECT {} visit, gate_rule, gate_sent FROM {} ORDER BY visit"


def gated(loads: Loads) -> Loads:
    """The same clinic, its task with a gate, answered under another id."""
    (loads.task.folder / "task.yaml").write_text(GATE)
    task = read_task(loads.task.folder.parent, loads.task.name)
    other = Loads(loads.clinic, task)
    other.answer(experiment=GATED)
    return other


def test_tables_of_before_are_refused_with_the_sql_that_gives_them_the_columns(
    loads: Loads,
) -> None:
    loads.load()
    loads.clinic.run("ALTER TABLE experiments DROP COLUMN not_relevant")
    loads.clinic.run("ALTER TABLE experiments DROP COLUMN gate")
    loads.load()  # without a gate they are not missed
    before = loads.clinic.rows("SELECT * FROM answers ORDER BY 1")
    other = gated(loads)
    work = other.work(experiment=GATED)
    with pytest.raises(
        NotemillError, match="the columns gate_rule, gate_sent are missing"
    ) as refused:
        prepare_tables(loads.clinic.database, work)
    assert refused.value.where == "answers, answers_failures, experiments"
    for statement in statements(refused.value):
        loads.clinic.run(statement)
    assert prepare_tables(loads.clinic.database, work).values_compared
    report = other.load(experiment=GATED)
    assert (report.answered, report.not_relevant, report.failed, report.blank) == (3, 1, 0, 2)
    assert report.gate == {"second": {"not_relevant": 1, "cut": 0, "whole": 0}}
    rows = loads.clinic.rows(DID.format("status,", "answers_failures"))
    assert ("not_relevant", 2, "second", 0.0) in rows
    counts = loads.clinic.rows("SELECT experiment, not_relevant, gate FROM experiments ORDER BY 1")
    assert counts[0][1:] == (None, None)
    assert (counts[1][1], json.loads(counts[1][2])) == (1, report.gate)
    loads.load()  # and the one without a gate goes on as before
    found = loads.clinic.rows("SELECT * FROM answers WHERE gate_sent IS NULL ORDER BY 1")
    assert [row[: len(before[0])] for row in found] == before


def test_an_experiments_table_that_is_made_anew_takes_both_kinds(loads: Loads) -> None:
    loads.load()
    other = gated(loads)
    report = other.load(experiment=GATED, results_table="gated_answers")
    assert report.not_relevant == 1
    assert loads.load().gate is None
    rows = loads.clinic.rows("SELECT not_relevant FROM experiments ORDER BY experiment")
    assert rows == [(None,), (1,)]

"""Any schema that Pydantic allows is refused by the check, or its answers come back from the
database as they were accepted."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from notemill.answers.columns import AnswerColumn, columns_beside
from notemill.answers.verdict import Status, judge
from notemill.errors import NotemillError
from notemill.tasks.schema_check import check_schema
from notemill.tasks.task import Task
from tests.unit import loads
from tests.unit.conftest import Clinic, replied, write_task
from tests.unit.schemas import HEAD, Drawn, as_json, schemas


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(schemas(), st.data())
def test_a_schema_is_refused_or_its_answers_come_back_the_same(
    schema: tuple[str, dict[str, Drawn]], data: st.DataObject
) -> None:
    source, fields = schema
    with tempfile.TemporaryDirectory() as folder:
        task = write_task(Path(folder) / "tasks", HEAD + source)
        try:
            check_schema(task)
            columns = columns_beside(task, "llm_", ["visit"])
        except NotemillError as error:
            assert error.where and error.remedy
            event("refused")
            return
        event("passed")
        drawn = data.draw(
            st.lists(st.fixed_dictionaries({n: f.values for n, f in fields.items()}), max_size=4)
        )
        accepted = []
        for values in drawn:
            verdict = judge(replied(as_json(values)), task.answer_model, baseline=5, num_ctx=4096)
            if all(field.sure for field in fields.values()):
                assert verdict.status is Status.ANSWERED, verdict
            if verdict.answer is None:
                continue
            for name, field in fields.items():
                if field.plain:
                    assert same(verdict.answer[name], values[name])
            accepted.append(verdict.answer)
        event("loaded" if accepted else "none accepted")
        if accepted:
            back = through_the_database(Path(folder), task, columns, accepted)
            assert all(map(same, back, accepted)), (back, accepted)


def through_the_database(
    folder: Path, task: Task, columns: list[AnswerColumn], answers: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Answers as they come back from result shard and table."""
    clinic = Clinic(folder)
    clinic.fill(*((number, f"note {number}") for number in range(len(answers))))
    clinic.extract()
    plain = loads.outcome

    def outcome(status: str, answer: dict[str, Any]) -> Any:
        number = int(answer["reason"].rpartition(" ")[2])
        return replace(plain(status, answer), answer=answers[number])

    experiment = loads.Loads(clinic, task)
    with mock.patch.object(loads, "outcome", outcome):
        experiment.answer()
    experiment.load()
    names = ", ".join(column.column for column in columns)
    rows = clinic.rows(f"SELECT {names} FROM answers ORDER BY visit")
    assert len(rows) == len(answers)
    return [
        {column.field: read(column, value) for column, value in zip(columns, row, strict=True)}
        for row in rows
    ]


def read(column: AnswerColumn, value: Any) -> Any:
    """What a user reads in a column."""
    if value is not None and column.kind == "json":
        return json.loads(value)
    if value is not None and column.kind == "boolean":
        return {0: False, 1: True}[value]
    return value


def same(one: Any, other: Any) -> bool:
    """Equal with type and sign: 1 is neither True nor 1.0. The order of keys says nothing."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def test_the_strategy_reaches_what_it_is_to_try() -> None:
    """A property that is never tried holds always."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=60, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(schemas())
    def look(schema: tuple[str, dict[str, Drawn]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            try:
                check_schema(write_task(Path(folder), HEAD + schema[0]))
                seen["passed"] += 1
            except NotemillError:
                seen["refused"] += 1

    look()
    assert seen["passed"] > 5
    assert seen["refused"] > 5

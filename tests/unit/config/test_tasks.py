"""`tasks`: several questions in one experiment, each an experiment of its own."""

from __future__ import annotations

from typing import Any

import pytest

from notemill.config import Config
from notemill.config.schema import schema_text
from notemill.config.tasks import DUMPED
from tests.unit.config.changes import refusal
from tests.unit.conftest import config, config_values

COUGH = config_values()["experiments"]["cough"]
BASE = {key: value for key, value in COUGH.items() if key not in ("task", "results_table")}


def lungs(**values: Any) -> dict[str, Any]:
    return {"lungs": BASE | values}


def test_each_task_is_an_experiment_of_its_own_with_its_table() -> None:
    read = config(experiments=lungs(tasks=["a", "b"], results_table="R_{task}"))
    assert {
        name: (e.task, e.results_table, e.together) for name, e in read.experiments.items()
    } == {
        "lungs.a": ("a", "R_a", "lungs"),
        "lungs.b": ("b", "R_b", "lungs"),
    }
    read = config(experiments=lungs(tasks=["a", "b"], results_table={"b": "X", "a": "Y"}))
    assert [each.failures for each in read.experiments.values()] == ["Y_failures", "X_failures"]
    assert read.cohorts_of("lungs.b") == ["chest"]


def test_a_task_of_its_own_is_as_it_was() -> None:
    assert list(config().experiments) == ["cough"]
    assert config().experiments["cough"].together == ""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"results_table": "r"}, "name one task"),
        ({"task": "a", "tasks": ["b"], "results_table": "r"}, "name one task"),
        ({"tasks": [], "results_table": "r"}, "experiments.lungs.tasks"),
        ({"tasks": ["a", "a"], "results_table": "r_{task}"}, "names a twice"),
        ({"tasks": ["a", "A"], "results_table": "r_{task}"}, "upper and lower case"),
        ({"tasks": ["a", "b"], "results_table": {"a": "r"}}, "one for each of `tasks` (a, b)"),
        ({"tasks": ["a"], "results_table": {"a": "r", "c": "s"}}, "one for each of `tasks` (a)"),
        ({"tasks": ["a"], "results_table": "r-{task}"}, "letters, digits and underscores"),
        ({"task": "a", "results_table": "r_{task}"}, "letters, digits and underscores"),
        ({"tasks": ["a.b"], "results_table": "r"}, "letters, digits and underscores"),
        ({"tasks": ["a" * 40], "results_table": "r", "failures_table": "f" * 65}, "64 at most"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], words: str) -> None:
    assert words in refusal(config_values(experiments=lungs(**values))).what


def test_a_name_that_the_tables_could_not_hold_is_refused() -> None:
    long = {"l" * 20: BASE | {"tasks": ["t" * 31], "results_table": "r"}}
    assert (
        "longer than an experiment's name may be" in refusal(config_values(experiments=long)).what
    )
    fits = {"l" * 20: BASE | {"tasks": ["t" * 30], "results_table": "r"}}
    (name,) = config(experiments=fits).experiments
    assert len(f"{name}-0123456789ab") == 64


def test_evaluations_and_comparisons_name_a_task_of_several() -> None:
    gold = {"cohort": "chest", "file": "gold.csv", "fields": ["x"], "experiments": ["lungs.a"]}
    two = {"experiments": ["lungs.a", "lungs.b-0123456789ab"]}
    experiments = lungs(tasks=["a", "b"], results_table="R_{task}")
    read = config(experiments=experiments, evaluations={"g": gold}, comparisons={"c": two})
    assert read.comparisons["c"].experiments == ("lungs.a", "lungs.b-0123456789ab")
    whole = config_values(
        experiments=experiments, evaluations={"g": gold | {"experiments": ["lungs"]}}
    )
    assert "lungs.a, lungs.b" in refusal(whole).what


def test_an_editor_knows_tasks_and_nothing_that_is_not_written() -> None:
    assert '"tasks"' in schema_text()
    assert '"together"' not in schema_text()


def test_a_configuration_of_several_tasks_is_read_back_as_it_was_dumped() -> None:
    """A job on a node is given it so."""
    several = {"tasks": ["a", "b"], "engine": "local", "model": "m:1", "results_table": "r_{task}"}
    read = config(experiments={"x": several})
    dumped = read.model_dump(mode="json")
    assert Config.model_validate(dumped, context={DUMPED: True}) == read

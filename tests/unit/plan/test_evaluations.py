"""notemill.plan.evaluations: which runs an evaluation is of, and what no job should find out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from notemill.config import Config
from notemill.errors import NotemillError
from notemill.plan.evaluations import check_gold, evaluated_runs
from notemill.plan.runs import plan_runs
from tests.unit.conftest import config, config_values, write_task

COUGH = config_values()["experiments"]["cough"]
CHEST = config_values()["cohorts"]["chest"]
HEAD = """
from datetime import date
from typing import Annotated, Literal
from pydantic import BaseModel, Field
class Part(BaseModel):
    a: str
class Answer(BaseModel):
"""
CHOICE = '    response: Literal["yes", "no"]\n'
TASKS = {
    "cough": CHOICE + "    reason: str\n    age: int | None\n",
    "fever": CHOICE + "    since: date\n",
    "kinds": CHOICE
    + "    flag: bool\n    part: Part\n    parts: list[Part]\n    sides: list[Literal['l', 'r']]\n"
    + "    names: list[str]\n    code: Annotated[str, Field(pattern='^[A-Z]$')]\n    size: float\n"
    + f"    many: Literal[{', '.join(repr(f'c{n}') for n in range(60))}]\n"
    + "    mixed: Literal['none'] | int\n",
}


def planned(folder: Path, *experiments: str, **evaluation: Any) -> Config:
    for name, fields in TASKS.items():
        write_task(folder, HEAD + fields, name=name)
    given = {
        name: COUGH | {"task": name, "results_table": f"r_{name}", "cohorts": ["chest"]}
        for name in experiments or ("cough", "fever")
    }
    values = {"cohort": "chest", "file": str(folder / "gold.csv"), "fields": ["response"]}
    evaluations = {"gold": values | evaluation}
    cohorts = {"chest": CHEST, "ankle": CHEST}
    return config(tasks=str(folder), experiments=given, cohorts=cohorts, evaluations=evaluations)


def runs_of(checked: Config) -> list[str]:
    return [run.name for run in evaluated_runs(checked, plan_runs(checked))["gold"]]


def test_an_evaluation_is_of_all_experiments_whose_answers_have_its_fields(tmp_path: Path) -> None:
    assert runs_of(planned(tmp_path)) == ["cough", "fever"]
    assert runs_of(planned(tmp_path, fields=["response", "age"])) == ["cough"]
    assert runs_of(planned(tmp_path, experiments=["fever"])) == ["fever"]


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        ({"fields": ["response", "age", "since"]}, "cough lacks since; fever lacks age"),
        ({"cohort": "ankle"}, "no experiment over cohort 'ankle' .* none is over it"),
        ({"experiments": ["fever"], "fields": ["age"]}, "'fever' have no field age"),
        ({"experiments": ["fever"], "cohort": "ankle"}, "'fever' does not ask cohort 'ankle'"),
        ({"fields": ["reason"]}, "field reason of task 'cough' is free text or an object"),
        ({"fields": ["age"], "tolerance": {"age": 1}}, ""),
        (
            {"fields": ["age", "response"], "tolerance": {"response": 1}},
            "field response of experiment 'cough' is no number",
        ),
    ],
)
def test_an_evaluation_that_fits_no_answer_is_refused(
    tmp_path: Path, evaluation: dict[str, Any], said: str
) -> None:
    checked = planned(tmp_path, **evaluation)
    if not said:
        assert runs_of(checked) == ["cough"]
        return
    with pytest.raises(NotemillError, match=said):
        runs_of(checked)


@pytest.mark.parametrize("field", ["part", "parts", "mixed"])
def test_an_object_can_not_be_equal_to_a_label(tmp_path: Path, field: str) -> None:
    with pytest.raises(NotemillError, match=f"field {field} of task 'kinds' is free text or an"):
        runs_of(planned(tmp_path, "kinds", fields=[field]))


def test_every_other_kind_of_field_can(tmp_path: Path) -> None:
    fields = ["response", "flag", "sides", "names", "code", "size", "many"]
    assert runs_of(planned(tmp_path, "kinds", fields=fields)) == ["kinds"]


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        ({"cohort": "chests"}, "evaluations.gold.cohort: 'chests' is not one of `cohorts`"),
        ({"experiments": ["x"]}, "evaluations.gold.experiments: 'x' is not one of `experiments`"),
        ({"query": "SELECT 1"}, "name either `file` or `query`"),
        ({"file": None}, "name either `file` or `query`"),
        ({"hold_back_test": True}, "hold_back_test needs `split`"),
        ({"tolerance": {"age": 1}}, "tolerance: age is none of `fields`"),
        ({"subgroups": ["a", "a"]}, "subgroups names a column twice"),
        ({"subgroups": ["note_length"]}, "note_length, which is built in"),
        ({"fields": []}, "evaluations.gold.fields"),
        ({"splitt": "set"}, "did you mean 'split'?"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, evaluation: dict[str, Any], said: str) -> None:
    with pytest.raises(NotemillError) as refused:
        planned(tmp_path, **evaluation)
    assert said in str(refused.value)


def test_a_gold_file_that_is_missing_or_lacks_a_column_is_refused_in_the_plan(
    tmp_path: Path,
) -> None:
    checked = planned(tmp_path, patient="who", subgroups=["site"])
    with pytest.raises(NotemillError, match="gold file of evaluation 'gold' is not there"):
        check_gold(checked)
    gold = tmp_path / "gold.csv"
    gold.write_text("visit,response,site\n1,yes,a\n")
    with pytest.raises(NotemillError, match="no column who among its 3") as refused:
        check_gold(checked)
    assert str(gold) in str(refused.value.where)
    gold.write_text("\ufeffvisit;response;site;who\n")
    check_gold(checked)
    gold.unlink()
    gold.mkdir()
    with pytest.raises(NotemillError, match="is not there"):
        check_gold(checked)


def test_the_table_of_evaluations_is_no_other_table(tmp_path: Path) -> None:
    checked = planned(tmp_path)
    taken = checked.model_copy(update={"evaluations_table": "r_fever"})
    with pytest.raises(NotemillError, match="r_fever is the table of evaluations already"):
        plan_runs(taken)
    plan_runs(taken.model_copy(update={"evaluations": {}}))


def test_the_plan_of_evaluations_imports_nothing_heavy() -> None:
    """Every Slurm job plans twice."""
    heavy = "{'numpy', 'pyarrow', 'scipy', 'pandas', 'sqlalchemy'}"
    code = f"import sys, notemill.plan.evaluations; print({heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

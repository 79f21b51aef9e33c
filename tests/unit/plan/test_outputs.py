"""notemill.plan.outputs, through plan_runs: files of answers that would meet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from notemill.check.planned import planned
from notemill.errors import NotemillError
from notemill.outputs.delivered import output_paths
from notemill.plan.runs import plan_runs
from tests.unit.conftest import config, config_values, write_task

COUGH: dict[str, Any] = {"task": "cough", "engine": "local", "model": "m:1"}
FILES: dict[str, Any] = {"id_columns": ["visit"], "text_column": "note"}


def values(folder: Path, outputs: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """Without a database; outputs: by experiment."""
    write_task(folder / "tasks")
    write_task(folder / "tasks", name="fever")
    (folder / "in.jsonl").write_text(json.dumps({"visit": 1, "note": "one"}) + "\n")
    cohorts = {"chest": FILES | {"files": str(folder / "in.jsonl")}}
    experiments = {name: COUGH | {"outputs": each} for name, each in outputs.items()}
    found = config_values(
        tasks=str(folder / "tasks"),
        results=str(folder / "results"),
        cohorts=cohorts,
        experiments=experiments,
        **sections,
    )
    del found["database"]
    return found


def refusal(folder: Path, outputs: dict[str, Any], **sections: Any) -> str:
    with pytest.raises(NotemillError, match="the outputs do not fit together") as refused:
        plan_runs(config(database=None, **values(folder, outputs, **sections)))
    return refused.value.what


def two_cohorts(folder: Path) -> dict[str, Any]:
    each = FILES | {"files": str(folder / "in.jsonl")}
    return {"cohorts": {"a": each, "b": each}}


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("out/a.csv", "out/../out/a.csv", "is the file of experiment one over chest already"),
        ("a.csv", "A.csv", "is the file of experiment one over chest already"),
        (["a.csv", "a.csv"], "b.csv", "a.csv is there twice"),
        ("results/answers/a.csv", "b.csv", "below results only outputs/ is free"),
        ("in.jsonl", "b.csv", "is among the files that cohort chest reads"),
    ],
)
def test_a_file_that_is_taken_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one: Any, other: Any, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refusal(tmp_path, {"one": one, "two": other})


def test_a_file_that_a_pattern_of_a_cohort_would_take_up_is_refused(tmp_path: Path) -> None:
    found = values(tmp_path, {"one": str(tmp_path / "new.jsonl")})
    found["cohorts"]["chest"]["files"] = str(tmp_path / "*.jsonl")
    with pytest.raises(NotemillError, match=r"among the files that cohort chest reads"):
        plan_runs(config(database=None, **found))


@pytest.mark.parametrize(
    ("pattern", "output"),
    [
        ("notes/**/*.jsonl", "notes/new.jsonl"),
        ("notes/../notes/*.jsonl", "notes/new.jsonl"),
        ("link/*.jsonl", "notes/new.jsonl"),
        ("notes/*.jsonl", "link/new.jsonl"),
        ("notes/*.json*", "notes/new.csv"),  # by what stands beside it
        ("latest.jsonl", "notes/in.jsonl"),
    ],
)
def test_another_spelling_of_what_a_cohort_would_take_up_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = values(tmp_path, {"one": output})
    (tmp_path / "notes").mkdir()
    (tmp_path / "in.jsonl").rename(tmp_path / "notes" / "in.jsonl")
    (tmp_path / "link").symlink_to("notes")
    (tmp_path / "latest.jsonl").symlink_to("notes/in.jsonl")
    found["cohorts"]["chest"]["files"] = pattern
    with pytest.raises(NotemillError, match=r"among the files that cohort chest reads"):
        plan_runs(config(database=None, **found))


@pytest.mark.parametrize(
    ("pattern", "output"),
    [
        ("*.jsonl", "answers/new.jsonl"),
        ("notes/*.jsonl", "notes/answers/new.jsonl"),
        ("notes/*/*.jsonl", "notes/new.jsonl"),
        ("notes/**/*.jsonl", "answers/new.jsonl"),
    ],
)
def test_a_folder_that_a_pattern_does_not_look_into_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = values(tmp_path, {"one": output})
    found["cohorts"]["chest"]["files"] = pattern
    plan_runs(config(database=None, **found))


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to("a.csv")
    (tmp_path / "loop").symlink_to("loop")
    assert "back to itself" in refusal(tmp_path, {"one": str(tmp_path / "a.csv")})
    assert "back to itself" in refusal(tmp_path, {"one": str(tmp_path / "loop" / "a.csv")})


def test_one_file_for_two_cohorts_is_refused_and_a_name_with_cohort_passes(tmp_path: Path) -> None:
    found = values(tmp_path, {"one": str(tmp_path / "a.csv")}) | two_cohorts(tmp_path)
    with pytest.raises(NotemillError, match=r"one file for cohorts a and b"):
        plan_runs(config(database=None, **found))
    named = {"one": COUGH | {"outputs": str(tmp_path / "{cohort}-{experiment}.csv")}}
    (run,) = plan_runs(config(database=None, **(found | {"experiments": named})))
    names = [path.name for cohort in run.cohorts for path in output_paths(run, cohort)]
    assert names == [f"a-{run.experiment_id}.csv", f"b-{run.experiment_id}.csv"]


def test_several_tasks_need_a_file_each(tmp_path: Path) -> None:
    together = {k: v for k, v in COUGH.items() if k != "task"} | {"tasks": ["cough", "fever"]}
    found = values(tmp_path, {"one": "a.csv"})
    one_file = {"both": together | {"outputs": str(tmp_path / "a.csv")}}
    with pytest.raises(NotemillError, match=r"is the file of experiment both.cough over chest"):
        plan_runs(config(database=None, **(found | {"experiments": one_file})))
    each = {"both": together | {"outputs": str(tmp_path / "{task}.csv")}}
    runs = plan_runs(config(database=None, **(found | {"experiments": each})))
    names = [path.name for run in runs for path in output_paths(run, "chest")]
    assert names == ["cough.csv", "fever.csv"]


def test_a_check_names_the_files_and_one_that_is_someone_elses(tmp_path: Path) -> None:
    found = values(tmp_path, {"one": str(tmp_path / "a.csv")})
    runs, findings = planned(config(database=None, **found))
    details = [line for each in findings for line in each.details]
    assert f"answers go to {tmp_path / 'a.csv'}" in details
    (tmp_path / "a.csv").write_text("mine\n")
    runs, findings = planned(config(database=None, **found))
    assert len(runs) == 1
    assert any("was not written by notemill" in each.what for each in findings)


def test_a_table_of_no_database_is_refused(tmp_path: Path) -> None:
    found = values(tmp_path, {"one": "a.csv"})
    found["experiments"]["one"]["results_table"] = "r"
    with pytest.raises(NotemillError, match=r"experiments.one.results_table: there is no `data"):
        config(database=None, **found)
    found = values(tmp_path, {"one": "a.csv"})
    gold = {"g": {"cohort": "chest", "query": "SELECT 1", "fields": ["response"]}}
    with pytest.raises(NotemillError, match=r"evaluations.g.query: there is no `database`"):
        config(database=None, **(found | {"evaluations": gold}))

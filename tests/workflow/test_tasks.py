"""Tasks that are asked together: nothing that comes later touches the others."""

from __future__ import annotations

import copy
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.workflow.conftest import new_project
from tests.workflow.plans import answer_shards, stop_the_engine
from tests.workflow.project import Project

TWO = ["pneumonia", "pleural_effusion"]
ONE_MORE = {"tables": 1, "answer": 1, "load": 1, "all": 1}


def asked_together(folder: Path, weights: Path, **changes: object) -> Project:
    """A project whose experiment `lungs` asks two tasks."""
    project = new_project(folder, weights, results_table="R_{task}", max_failed_share=1, **changes)
    experiment = project.config["experiments"].pop("pneumonia")
    del experiment["task"]
    project.config["experiments"]["lungs"] = experiment | {"tasks": TWO}
    project.config["cohorts"]["small"]["shards"] = 1
    project.write_config()
    return project


@pytest.fixture(scope="module")
def _together(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Project:
    folder = tmp_path_factory.mktemp("together") / "project"
    project = asked_together(folder, weights, pilot={"notes": 0})
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture
def together(_together: Project, tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    shutil.copytree(_together.folder, folder, symlinks=True)
    return Project(folder, copy.deepcopy(_together.config))


def tasks(project: Project, *names: str) -> Project:
    project.config["experiments"]["lungs"]["tasks"] = list(names)
    project.write_config()
    return project


def planned(project: Project) -> dict[str, int]:
    """Jobs by rule, those of all batches as one."""
    found: dict[str, int] = {}
    for rule, jobs in project.planned().items():
        name = rule.partition("_lungs_")[0]
        found[name] = found.get(name, 0) + jobs
    return found


def written(project: Project) -> dict[str, int]:
    """When each result shard was written, by its path."""
    return {str(each): each.stat().st_mtime_ns for each in answer_shards(project)}


def asked_again(project: Project) -> None:
    """Run to the end with an engine that could answer nothing."""
    stop_the_engine(project)
    done = project.snakemake("--retries", "0")
    assert done.returncode == 0, done.stdout
    assert project.planned() == {}


def test_one_job_a_shard_and_a_pilot_ask_all_tasks(tmp_path: Path, weights: Path) -> None:
    project = asked_together(tmp_path / "project", weights)
    assert planned(project) == {
        "extract": 1, "model": 1, "tables": 2, "pilot_job": 1, "answer": 1, "load": 2, "all": 1
    }  # fmt: skip
    said = ["--set-resources", "answer:mem_mb=1234", "--set-threads", "answer=2"]
    listed = project.snakemake("-n", *said).stdout
    (job,) = [part for part in listed.split("\nrule ") if part.startswith("answer_lungs_")]
    assert "mem_mb=1234" in job and "threads: 2" in job, "what is said of `answer` holds"


def test_a_job_of_several_tasks_has_a_gpu_for_each_server(tmp_path: Path, weights: Path) -> None:
    project = asked_together(tmp_path / "project", weights)
    (name,) = project.config["engines"]
    project.config["engines"][name] = {"kind": "ollama", "models": str(tmp_path), "servers": 4}
    project.write_config()
    rules = project.snakemake("-n", profile="slurm").stdout.split("\nrule ")
    for kind in ("answer_lungs_", "pilot_job_lungs_"):
        (job,) = [part for part in rules if part.startswith(kind)]
        assert "gpu=4" in job and "nodes=1" in job


def test_each_task_has_its_table_and_a_finished_project_plans_nothing(together: Project) -> None:
    with sqlite3.connect(together.folder / "notes.sqlite") as database:
        for task in TWO:
            (rows,) = database.execute(
                f"SELECT count(*) FROM (SELECT experiment FROM R_{task} UNION ALL"
                f" SELECT experiment FROM R_{task}_failures) WHERE experiment LIKE 'lungs.{task}-%'"
            ).fetchone()
            assert rows == 9
    database.close()
    assert together.planned() == {}


def test_a_task_that_is_added_later_asks_only_itself(together: Project) -> None:
    before = written(together)
    tasks(together, "pneumonia_brief", *TWO)
    assert planned(together) == ONE_MORE
    done = together.snakemake()
    assert done.returncode == 0, done.stdout
    assert {path: at for path, at in written(together).items() if path in before} == before
    assert len(written(together)) == 3
    assert together.planned() == {}


def test_a_task_that_is_taken_away_moved_or_changed_leaves_the_others(together: Project) -> None:
    assert tasks(together, *reversed(TWO)).planned() == {}
    assert tasks(together, TWO[1]).planned() == {}
    prompt = together.folder / "tasks" / TWO[0] / "system.md"
    prompt.write_text(prompt.read_text() + "Be brief.\n")
    assert planned(tasks(together, *TWO)) == ONE_MORE, "a changed one is asked alone"


def test_evidence_that_is_graded_otherwise_writes_that_task_alone_and_asks_nothing(
    together: Project,
) -> None:
    before = written(together)
    settings = together.folder / "tasks" / TWO[0] / "task.yaml"
    settings.write_text("evidence: explanation\nno_evidence: Nothing\n")
    assert planned(together) == {"answer": 1, "load": 1, "all": 1}
    asked_again(together)
    changed = {path for path, at in written(together).items() if before[path] != at}
    assert [Path(path).parts[-3].split("-")[0] for path in changed] == [f"lungs.{TWO[0]}"]


def test_another_number_of_shards_moves_the_answers_of_all_tasks(together: Project) -> None:
    together.config["cohorts"]["small"]["shards"] = 3
    together.write_config()
    assert planned(together)["answer"] == 3
    asked_again(together)
    assert len(answer_shards(together)) == 6


def test_the_same_task_alone_is_another_experiment_and_the_others_stay(together: Project) -> None:
    experiment = together.config["experiments"]["lungs"]
    alone = {key: value for key, value in experiment.items() if key != "tasks"}
    together.config["experiments"]["alone"] = alone | {"task": TWO[0], "results_table": "R_alone"}
    together.write_config()
    assert planned(together) == ONE_MORE

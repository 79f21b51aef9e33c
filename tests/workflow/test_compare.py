"""The rules compare and repeat, with the embedded engine: an earlier prompt, and answers again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from notemill.comparison.record import NO_ANSWER
from tests.workflow.conftest import NOTES
from tests.workflow.plans import ALL_JOBS, refusal, stop_the_engine
from tests.workflow.project import Project
from tests.workflow.test_run import status_of


def id_of(project: Project) -> str:
    """The id of the experiment that the project was answered with."""
    (record,) = (project.results / "experiments").glob("*.json")
    return record.stem


def change_the_prompt(project: Project) -> None:
    prompt = project.folder / "tasks" / "pneumonia" / "system.md"
    prompt.write_text(prompt.read_text() + "Be brief.\n")


def test_todays_prompt_is_compared_with_an_earlier_one_and_asked_again_with_other_seeds(
    finished: Project,
) -> None:
    earlier = id_of(finished)
    change_the_prompt(finished)
    experiment = finished.config["experiments"]["pneumonia"]
    experiment["repeat"] = {"notes": 100, "times": 2, "seed": "other"}
    experiment["options"]["temperature"] = 1.5
    finished.config["comparisons"] = {"prompts": {"experiments": [earlier, "pneumonia"]}}
    finished.write_config()
    new = {"tables": 1, "pilot_job": 1, "answer": 3, "load": 1, "all": 1}
    assert finished.planned() == new | {"repeat": 1, "compare": 1}
    done = finished.snakemake()
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}

    comparison = json.loads((finished.results / "comparisons" / "prompts.json").read_text())
    prompt = comparison["differences"][0]["diff"]
    assert prompt.endswith("+Be brief.")
    (response,) = [f for f in comparison["fields"] if f["field"] == "response"]
    labels = response["choices"]["labels"]
    table = [[0] * len(labels) for _ in labels]
    said = [answers(finished, each) for each in (earlier, comparison["second"]["experiment"])]
    for number, _, text in NOTES:
        if text and text.strip():
            first, second = (labels.index(side.get(number, NO_ANSWER)) for side in said)
            table[first][second] += 1
    assert response["choices"]["table"] == table
    flips = pq.read_table(finished.results / "comparisons" / "prompts.flips.parquet").to_pylist()
    flipped = {each["patientvisitid"] for each in flips if each["field"] == "response"}
    numbers = {number for number, *_ in NOTES}
    assert flipped == {n for n in numbers if said[0].get(n) != said[1].get(n)}

    # One that can't be made leaves the comparison of before, and its flips, aside.
    folder = finished.results / "comparisons"
    made = {path.name: path.read_bytes() for path in folder.glob("prompts.*")}
    finished.config["comparisons"]["prompts"]["fields"] = ["nosuch"]
    finished.write_config()
    failed = finished.snakemake("--retries", "0")
    assert failed.returncode != 0
    assert "is kept in results/comparisons/.prompts.last.json" in failed.stdout
    for name, content in made.items():
        assert (folder / name.replace("prompts", ".prompts.last")).read_bytes() == content
    assert finished.planned() == {"compare": 1, "all": 1}

    repeat = the_repeat(finished)
    assert [each["seed"] for each in repeat["rounds"]] == [1001, 2001]
    assert repeat["same_all"]["value"] < 1


def answers(project: Project, experiment: str) -> dict[int, str]:
    """An experiment's responses in the results table, by note."""
    with closing(sqlite3.connect(project.folder / "notes.sqlite")) as database:
        query = "SELECT patientvisitid, llm_response FROM PNA_Results WHERE experiment = ?"
        return dict(database.execute(query, (experiment,)).fetchall())


def the_repeat(project: Project) -> dict[str, Any]:
    folder = project.results / "repeats" / "small"
    (path,) = [each for each in folder.glob("*.json") if not each.name.endswith(".live.json")]
    assert path.stat().st_mode & 0o777 == 0o600
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def contents(project: Project) -> dict[Path, bytes]:
    """All that the answers are kept in."""
    kept = [*(project.results / "answers").rglob("*"), *project.folder.glob("*.sqlite")]
    return {path: path.read_bytes() for path in kept if path.is_file()}


def test_answers_asked_again_with_the_same_seed_stay_and_none_is_touched(
    finished: Project,
) -> None:
    before = contents(finished)
    repeat = {"notes": 100}
    finished.config["experiments"]["pneumonia"]["repeat"] = repeat
    finished.write_config()
    assert finished.planned() == {"repeat": 1, "all": 1}
    assert status_of(finished)["repeat"] == "waiting"
    done = finished.snakemake()
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}
    assert contents(finished) == before
    assert status_of(finished)["repeat"] == "done"

    record = the_repeat(finished)
    asked = {text for *_, text in NOTES if text and text.strip()}
    assert record["texts"] == record["of_texts"] == len(asked)
    assert record["kept_status"]["value"] == 1
    assert record["same_all"]["value"] == 1
    assert [each["seed"] for each in record["rounds"]] == [1]
    assert sum(each["texts"] for each in record["statuses"]) == len(asked)

    # The engine could answer nothing any more: what was made stands, another number is asked anew.
    stop_the_engine(finished)
    next((finished.results / "models").glob("*.json")).touch()
    assert finished.planned() == {}
    repeat["notes"] = 3
    finished.write_config()
    assert finished.planned() == {"repeat": 1, "all": 1}
    failed = finished.snakemake("--retries", "0")
    assert failed.returncode != 0
    assert the_repeat(finished) == record
    # Nor is the record taken for one of the new settings.
    assert finished.planned() == {"repeat": 1, "all": 1}
    assert contents(finished) == before
    (job,) = status_of(finished)["jobs"]
    assert (job["shard"], job["state"]) == ("repeat", "failed")


def test_a_fresh_project_plans_its_comparison_and_its_repeat(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(repeat={"notes": 4})
    experiments = project.config["experiments"]
    experiments["warm"] = experiments["pneumonia"] | {"options": {"temperature": 1}}
    project.config["comparisons"] = {"seeds": {"experiments": ["pneumonia", "warm"]}}
    project.write_config()
    two = {rule: 2 * jobs for rule, jobs in ALL_JOBS.items() if rule not in ("extract", "model")}
    fresh = ALL_JOBS | two | {"all": 1, "repeat": 2, "compare": 1}
    assert project.planned() == fresh
    project.config["comparisons"]["seeds"]["experiments"][1] = "warm-0123456789ab"
    project.write_config()
    said = refusal(project)
    assert "warm-0123456789ab is no experiment of this configuration" in said


def test_what_cannot_be_compared_is_refused_before_any_job(finished: Project) -> None:
    earlier = id_of(finished)
    finished.config["comparisons"] = {"c": {"experiments": [earlier, "pneumonia"]}}
    finished.write_config()
    assert f"both experiments are {earlier}" in refusal(finished)

    change_the_prompt(finished)
    finished.config["cohorts"]["small"]["shards"] = 2
    finished.write_config()
    assert "2 of its 2 result shards over 'small' are not there" in refusal(finished)

    finished.config["cohorts"]["small"]["shards"] = 3
    finished.config["comparisons"]["c"]["cohort"] = "large"
    finished.write_config()
    assert "'large' is not one of `cohorts`" in refusal(finished)

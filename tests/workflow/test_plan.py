"""What `snakemake -n` plans: all of it, nothing, or just what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from notemill.config.schema import schema_text
from tests.workflow.project import REPOSITORY, Project, job_table

ALL_JOBS = {"extract_small": 1, "model": 1, "answer": 3, "load": 1, "all": 1}


def test_a_fresh_project_plans_every_job(make_project: Callable[..., Project]) -> None:
    assert make_project().planned() == ALL_JOBS


def test_a_finished_project_plans_nothing(finished: Project) -> None:
    assert finished.planned() == {}


def test_a_deleted_answer_shard_plans_that_job_and_the_load(finished: Project) -> None:
    answer_shards(finished)[1].unlink()
    assert finished.planned() == {"answer": 1, "load": 1, "all": 1}


def test_a_lost_notes_shard_asks_nothing_again(finished: Project) -> None:
    next((finished.results / "cohorts").rglob("0001.parquet")).unlink()
    assert finished.planned() == {}
    # Not even when another shard is to be written again, and so the whole cohort is read again.
    answer_shards(finished)[1].unlink()
    assert finished.planned() == {"extract_small": 1, "answer": 1, "load": 1, "all": 1}


def test_a_job_that_runs_again_asks_no_answered_note(finished: Project) -> None:
    """A lost model record makes Snakemake write every shard of which one is missing again."""
    next((finished.results / "models").glob("*.json")).unlink()
    answer_shards(finished)[1].unlink()
    engine = finished.config["engines"]["embedded"]
    engine["command"] = ["false"]  # an engine that could answer nothing
    finished.write_config()
    done = finished.snakemake()
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}


def test_a_changed_prompt_plans_a_new_experiment_and_keeps_the_old(finished: Project) -> None:
    prompt = finished.folder / "tasks" / "pneumonia" / "system.md"
    prompt.write_text(prompt.read_text() + "Be brief.\n")
    assert finished.planned() == {"answer": 3, "load": 1, "all": 1}
    assert len(answer_shards(finished)) == 3


def test_paths_slots_and_threads_plan_nothing(finished: Project) -> None:
    engine = finished.config["engines"]["embedded"]
    engine["slots"] = 1
    engine["answer_timeout_s"] = 60
    finished.write_config()
    assert finished.planned("--set-threads", "answer=1") == {}


def test_a_touched_script_plans_nothing(finished: Project) -> None:
    script = REPOSITORY / "workflow" / "scripts" / "answer.py"
    before = script.stat()
    try:
        os.utime(script)
        assert finished.planned() == {}
    finally:
        os.utime(script, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_another_results_table_plans_the_load_alone(finished: Project) -> None:
    finished.config["experiments"]["pneumonia"]["results_table"] = "Other_Results"
    finished.write_config()
    assert finished.planned() == {"load": 1, "all": 1}


def test_the_slurm_profile_plans_without_database_slurm_or_gpu(tmp_path: Path) -> None:
    """With the repository's own configuration, whose database does not exist."""
    environment = {name: value for name, value in os.environ.items() if "SLURM" not in name}
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "snakemake",
                "--profile",
                "profiles/slurm",
                "-n",
                "--directory",
                str(tmp_path),
            ),
            *("--configfile", "config/config.yaml"),
            *("--config", f"tasks={REPOSITORY}/config/tasks"),
        ],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = job_table(done.stdout + done.stderr)
    assert table == {"extract_chest_notes": 1, "model": 1, "answer": 16, "load": 1, "all": 1}


@pytest.mark.parametrize("profile", ["local", "slurm", "slurm-multi-cluster"])
def test_every_profile_plans(make_project: Callable[..., Project], profile: str) -> None:
    assert make_project().planned(profile=profile) == ALL_JOBS


def test_the_configurations_schema_is_in_step() -> None:
    generated = json.loads(schema_text())
    assert json.loads((REPOSITORY / "config" / "config.schema.json").read_text()) == generated


def answer_shards(project: Project) -> list[Path]:
    """All result shards of a project."""
    return sorted((project.results / "answers").rglob("*.parquet"))

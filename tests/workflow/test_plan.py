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

ALL_JOBS = {"extract": 1, "model": 1, "tables": 1, "answer": 3, "load": 1, "all": 1}


def test_a_fresh_project_plans_every_job(make_project: Callable[..., Project]) -> None:
    assert make_project().planned() == ALL_JOBS


def test_a_finished_project_plans_nothing(finished: Project) -> None:
    assert finished.planned() == {}


def test_a_deleted_answer_shard_plans_that_job_and_the_load(finished: Project) -> None:
    answer_shards(finished)[1].unlink()
    assert finished.planned() == {"answer": 1, "load": 1, "all": 1}


def test_a_lost_notes_shard_asks_nothing_again(finished: Project) -> None:
    lost = lose_notes(finished, "0001")
    assert finished.planned() == {}
    # Where another answer needs it, one message says what to do.
    answer_shards(finished)[1].unlink()
    assert finished.planned() == {"answer": 1, "load": 1, "all": 1}
    stop_the_engine(finished)
    failed = finished.snakemake("--retries", "0")
    assert failed.returncode != 0
    assert "this file is missing" in failed.stdout
    assert str(lost.relative_to(finished.folder)) in failed.stdout
    assert "`--forcerun extract`" in failed.stdout
    for arguments in (["--forcerun", "extract"], []):
        done = finished.snakemake(*arguments)
        assert done.returncode == 0, done.stdout
    assert finished.planned() == {}


def test_a_failed_extract_makes_no_other_answer_run_again(finished: Project) -> None:
    lose_notes(finished, "0001")
    answer_shards(finished)[1].unlink()
    (finished.folder / "notes.sqlite").rename(finished.folder / "away.sqlite")
    assert finished.snakemake("--forcerun", "extract", "--retries", "0").returncode != 0
    assert finished.planned() == {"answer": 1, "load": 1, "all": 1}


def test_another_number_of_shards_is_refused_and_asks_nothing(finished: Project) -> None:
    cohort = finished.config["cohorts"]["small"]
    cohort["shards"] += 1
    finished.write_config()
    refused = finished.snakemake("--retries", "0")
    assert refused.returncode != 0
    assert "a cohort is a frozen snapshot" in refused.stdout
    cohort["shards"] -= 1
    finished.write_config()
    assert finished.planned() == {"extract": 1}
    assert finished.snakemake().returncode == 0
    assert finished.planned() == {}


def test_a_job_that_runs_again_asks_no_answered_note(finished: Project) -> None:
    """A lost model record makes Snakemake write every shard of which one is missing again."""
    next((finished.results / "models").glob("*.json")).unlink()
    answer_shards(finished)[1].unlink()
    stop_the_engine(finished)
    done = finished.snakemake()
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}


def test_a_changed_prompt_plans_a_new_experiment_and_keeps_the_old(finished: Project) -> None:
    prompt = finished.folder / "tasks" / "pneumonia" / "system.md"
    prompt.write_text(prompt.read_text() + "Be brief.\n")
    assert finished.planned() == {"tables": 1, "answer": 3, "load": 1, "all": 1}
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


@pytest.mark.parametrize("key", ["results_table", "failures_table"])
def test_another_table_plans_its_check_and_the_load_alone(finished: Project, key: str) -> None:
    finished.config["experiments"]["pneumonia"][key] = "Other_Table"
    finished.write_config()
    assert finished.planned() == {"tables": 1, "load": 1, "all": 1}
    done = finished.snakemake()
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}


def test_a_lost_report_on_the_tables_asks_nothing_again(finished: Project) -> None:
    next((finished.results / "tables").rglob("*.json")).unlink()
    assert finished.planned() == {}
    # It is made where an answer needs it; whatever runs again with that asks no answered note.
    answer_shards(finished)[1].unlink()
    stop_the_engine(finished)
    done = finished.snakemake()
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}


def test_the_slurm_profile_plans_without_database_slurm_or_gpu(tmp_path: Path) -> None:
    """With the repository's own configuration, whose database does not exist."""
    environment = {name: value for name, value in os.environ.items() if "SLURM" not in name}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "-n"),
            *("--profile", "profiles/slurm"),
            *("--directory", str(tmp_path)),
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
    assert table == {"extract": 1, "model": 1, "tables": 1, "answer": 16, "load": 1, "all": 1}


@pytest.mark.parametrize("profile", ["local", "slurm", "slurm-multi-cluster"])
def test_every_profile_plans(make_project: Callable[..., Project], profile: str) -> None:
    assert make_project().planned(profile=profile) == ALL_JOBS


@pytest.mark.parametrize(("profile", "memory"), [("slurm", 32000), ("slurm-multi-cluster", 64000)])
def test_a_gpu_job_has_what_rule_and_profile_ask_for(
    make_project: Callable[..., Project], profile: str, memory: int
) -> None:
    plan = make_project().snakemake("-n", profile=profile).stdout
    answer = plan.partition("rule answer:")[2].partition("\n\n")[0]
    for resource in ("gpu=1", "slurm_extra=--signal=TERM@120", f"mem_mb={memory}", "runtime="):
        assert resource in answer


def test_the_configurations_schema_is_in_step() -> None:
    generated = json.loads(schema_text())
    assert json.loads((REPOSITORY / "config" / "config.schema.json").read_text()) == generated


def answer_shards(project: Project) -> list[Path]:
    """All result shards of a project."""
    return sorted((project.results / "answers").rglob("*.parquet"))


def lose_notes(project: Project, shard: str) -> Path:
    """Delete a notes shard; returns its path."""
    lost = next((project.results / "cohorts").rglob(f"{shard}.parquet"))
    lost.unlink()
    return lost


def stop_the_engine(project: Project) -> None:
    """From here on the engine could answer nothing."""
    project.config["engines"]["embedded"]["command"] = ["false"]
    project.write_config()

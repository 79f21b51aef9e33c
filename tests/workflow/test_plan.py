"""What `snakemake -n` plans: all of it, nothing, or just what is missing."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from notemill.answers.refusal import PLAN_VARIABLE, told_once
from notemill.config import read_config
from notemill.config.schema import schema_text
from notemill.engines.record import read_record
from notemill.errors import EngineRefused
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from tests.workflow.plans import ALL_JOBS, answer_shards, stop_the_engine
from tests.workflow.project import REPOSITORY, Project, job_table

ANOTHER_EXPERIMENT = {"tables": 1, "pilot_job": 1, "answer": 3, "load": 1, "all": 1}


def test_a_fresh_project_plans_every_job(make_project: Callable[..., Project]) -> None:
    assert make_project().planned() == ALL_JOBS


def test_a_target_is_a_part_of_the_way(make_project: Callable[..., Project]) -> None:
    project = make_project()
    for target, jobs in (
        ("notes", {"extract": 1}),
        ("pilot", {"extract": 1, "model": 1, "pilot_job": 1}),
        ("answers", {"extract": 1, "model": 1, "tables": 1, "pilot_job": 1, "answer": 3}),
    ):
        planned = project.snakemake(target, "-n", "--quiet", "rules")
        assert planned.returncode == 0, planned.stdout
        assert job_table(planned.stdout) == jobs | {target: 1}


def test_jobs_that_ask_endpoints_ask_for_no_gpu(make_project: Callable[..., Project]) -> None:
    project = make_project()
    own = project.snakemake("answers", "-n").stdout
    assert "gpu=1" in own
    for engine in project.config["engines"].values():
        engine["endpoints"] = "pool"
    project.write_config()
    shared = project.snakemake("answers", "-n")
    assert shared.returncode == 0, shared.stdout
    assert "gpu=0" in shared.stdout
    assert "gpu=1" not in shared.stdout


def test_a_finished_project_plans_nothing(finished: Project) -> None:
    assert finished.planned() == {}


def test_a_deleted_answer_shard_plans_that_job_and_the_load(finished: Project) -> None:
    answer_shards(finished)[1].unlink()
    assert finished.planned() == {"answer": 1, "load": 1, "all": 1}


@pytest.mark.parametrize("rule", ["extract", "model", "tables", "pilot_job"])
def test_a_job_that_runs_again_hides_nothing_that_is_missing_behind_it(
    finished: Project, rule: str
) -> None:
    answer_shards(finished)[1].unlink()
    planned = finished.snakemake("-n", "--quiet", "rules", "--forcerun", rule)
    assert planned.returncode == 0, planned.stdout
    assert job_table(planned.stdout) == {rule: 1, "answer": 1, "load": 1, "all": 1}


def test_an_extract_whose_snakemake_was_killed_at_its_end_is_done_again_and_all_the_rest_too(
    make_project: Callable[..., Project],
) -> None:
    project = make_project()
    done = project.snakemake("notes")
    assert done.returncode == 0, done.stdout
    (manifest,) = (project.results / "cohorts").rglob("manifest.json")
    name = base64.urlsafe_b64encode(str(manifest.relative_to(project.folder)).encode()).decode()
    (project.folder / ".snakemake" / "incomplete" / name).touch()
    assert project.planned() == ALL_JOBS


def test_a_plan_that_the_users_shell_names_is_another_one_each_time(
    finished: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was refused to an earlier invocation, and mended in place, is tried again."""
    monkeypatch.setenv(PLAN_VARIABLE, "mine")
    finished.environment = dict(os.environ)
    monkeypatch.chdir(finished.folder)
    layout = Layout(finished.results)
    run = plan_runs(read_config(finished.config))[0]
    digest = read_record(layout.model(run.model_id)).digest
    with suppress(EngineRefused), told_once(layout.refusal(run.experiment_id), run.engine, digest):
        raise EngineRefused("no", remedy="mend it")
    shard = answer_shards(finished)[0]
    shard.unlink()
    shard.with_name(f"{shard.stem}.journal.jsonl").unlink()
    done = finished.snakemake("--retries", "0")
    assert done.returncode == 0, done.stdout


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
    assert finished.planned() == ANOTHER_EXPERIMENT
    assert len(answer_shards(finished)) == 3


def test_a_changed_helper_of_the_schema_plans_a_new_experiment(finished: Project) -> None:
    task = finished.folder / "tasks" / "pneumonia"
    (task / "codes.py").write_text("CODES = 'a', 'b'\n")
    assert finished.planned() == ANOTHER_EXPERIMENT


def test_pinning_the_recorded_digest_plans_nothing_and_another_says_what_it_costs(
    finished: Project,
) -> None:
    (record,) = (finished.results / "experiments").glob("*.json")
    digest = json.loads(record.read_text())["digest"]
    experiment = finished.config["experiments"]["pneumonia"]
    experiment["digest"] = digest
    finished.write_config()
    assert finished.planned() == {}

    experiment["digest"] = "0" * 64
    finished.write_config()
    planned = finished.snakemake("-n")
    assert job_table(planned.stdout) == {
        "tables": 1,
        "pilot_job": 1,
        "answer": 3,
        "load": 1,
        "all": 1,
    }
    assert f"its answers so far come from {digest}: every note is asked anew" in planned.stdout


def test_paths_slots_and_threads_plan_nothing(finished: Project) -> None:
    engine = finished.config["engines"]["embedded"]
    engine["slots"] = 1
    engine["answer_timeout_s"] = 60
    finished.write_config()
    assert finished.planned("--set-threads", "answer=2") == {}


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
    assert table == ALL_JOBS | {"answer": 16}


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

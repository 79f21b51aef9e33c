"""What `snakemake -n` plans: all of it, nothing, or just what is missing."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.refusal import PLAN_VARIABLE, told_once
from notemill.config import read_config
from notemill.config.schema import schema_text
from notemill.engines.record import read_record
from notemill.errors import EngineRefused
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from tests.workflow.project import REPOSITORY, Project, job_table
from tests.workflow.test_run import rows

EVERYTHING = "SELECT *, text_sha256 FROM PNA_Results ORDER BY patientvisitid"
ALL_JOBS = {"extract": 1, "model": 1, "tables": 1, "answer": 3, "load": 1, "all": 1}


def test_a_fresh_project_plans_every_job(make_project: Callable[..., Project]) -> None:
    assert make_project().planned() == ALL_JOBS


def test_a_target_is_a_part_of_the_way(make_project: Callable[..., Project]) -> None:
    project = make_project()
    for target, jobs in (
        ("notes", {"extract": 1}),
        ("answers", {"extract": 1, "model": 1, "tables": 1, "answer": 3}),
    ):
        planned = project.snakemake(target, "-n", "--quiet", "rules")
        assert planned.returncode == 0, planned.stdout
        assert job_table(planned.stdout) == jobs | {target: 1}


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


def test_another_number_of_shards_asks_nothing_again(finished: Project) -> None:
    """There and back, over a table that has grown, with an engine that answers no more."""
    before = rows(finished, EVERYTHING)
    grow(finished)
    stop_the_engine(finished)
    cohort = finished.config["cohorts"]["small"]
    for shards in (2, 3):
        cohort["shards"] = shards
        finished.write_config()
        done = finished.snakemake("--retries", "0")
        assert done.returncode == 0, done.stdout
        jobs = {name: count for name, count in ALL_JOBS.items() if name != "model"}
        assert job_table(done.stdout) == jobs | {"answer": shards}
        assert len(answer_shards(finished)) == shards
        assert rows(finished, EVERYTHING) == before
    assert finished.planned() == {}


def test_a_cohort_that_is_half_answered_may_be_cut_anew(finished: Project) -> None:
    """A driver that was killed leaves no record of its jobs; the plan needs none."""
    before = rows(finished, EVERYTHING)
    for path in (answer_shards(finished)[1], *(finished.results / "loads").rglob("*.json")):
        path.unlink()
    lost = answer_shards(finished)[0].with_name("0001.journal.jsonl")
    texts = {line["text"] for line in map(json.loads, lost.open()) if "text" in line}
    lost.unlink()
    shutil.rmtree(finished.folder / ".snakemake")
    grow(finished)
    cohort = finished.config["cohorts"]["small"]
    cohort["shards"] = 5
    finished.write_config()
    done = finished.snakemake("--until", "extract")
    assert done.returncode == 0, done.stdout
    cohort["shards"] = 3
    finished.write_config()
    done = finished.snakemake()
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}
    after = rows(finished, EVERYTHING)
    assert [row for row in after if row[-1] not in texts] == [
        row for row in before if row[-1] not in texts
    ]
    assert [row[0] for row in after] == [row[0] for row in before]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("query", "SELECT patientvisitid, accession, note_text FROM notes WHERE accession > 'A4'"),
        ("id_columns", ["accession"]),
        ("text_column", "note"),
        ("same_id_different_text", "last"),
    ],
)
def test_a_changed_cohort_is_refused_by_the_plan(finished: Project, key: str, value: Any) -> None:
    cohort = finished.config["cohorts"]["small"]
    before = cohort.get(key, "error")
    cohort[key] = value
    finished.write_config()
    plan = finished.snakemake("-n")
    check = subprocess.run(
        [sys.executable, "-m", "notemill", "check", "--configfile", "config.yaml"],
        cwd=finished.folder,
        env=dict(os.environ, PYTHONPATH=str(REPOSITORY)),
        capture_output=True,
        text=True,
        check=False,
    )
    for status, told in ((plan.returncode, plan.stdout), (check.returncode, check.stderr)):
        assert status == 1
        assert f"with another {key}" in told
        assert f"{key}, read: {before}" in told
        assert f"{key}, now: {value}" in told
        assert "another name" in told
        assert "Traceback" not in told


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


def test_a_cohort_given_up_as_the_message_says_is_read_anew(finished: Project) -> None:
    grow(finished)
    cohort = finished.config["cohorts"]["small"]
    cohort["query"] += " WHERE patientvisitid > 3"
    finished.write_config()
    told = finished.snakemake("-n").stdout
    command = re.search(r"rm -rf [^\n]+", told)
    assert command, told
    subprocess.run(shlex.split(command[0]), cwd=finished.folder, check=True)
    done = finished.snakemake()
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}


def test_white_space_around_a_query_is_no_change(finished: Project) -> None:
    finished.config["cohorts"]["small"]["query"] += " ;\n"
    finished.write_config()
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


def test_a_changed_helper_of_the_schema_plans_a_new_experiment(finished: Project) -> None:
    task = finished.folder / "tasks" / "pneumonia"
    (task / "codes.py").write_text("CODES = 'a', 'b'\n")
    assert finished.planned() == {"tables": 1, "answer": 3, "load": 1, "all": 1}


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
    assert job_table(planned.stdout) == {"tables": 1, "answer": 3, "load": 1, "all": 1}
    assert f"its answers so far come from {digest}: every note is asked anew" in planned.stdout


def test_a_model_that_was_changed_is_refused_by_the_plan(finished: Project) -> None:
    (model,) = (finished.results / "models").glob("*.json")
    found = json.loads(model.read_text()) | {"digest": "0" * 64}
    model.write_text(json.dumps(found))
    told = refusal(finished)
    assert f"now has {'0' * 64}" in told
    assert f"`digest: {'0' * 64}` in the experiment" in told


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("import sys\nsys.exit('bye')\n", "schema.py does not import: SystemExit: bye"),
        ("from notemill.paths import Layout\n", "schema.py:1: imports"),
        ("1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_schema_that_can_not_be_used_ends_in_one_message(
    make_project: Callable[..., Project], schema: str, words: str
) -> None:
    project = make_project()
    path = project.folder / "tasks" / "pneumonia" / "schema.py"
    path.write_text(schema + path.read_text())
    told = refusal(project)
    assert words in told
    assert str(path) in told


def test_what_a_schema_prints_stays_out_of_what_is_read_by_machines(
    make_project: Callable[..., Project],
) -> None:
    project = make_project()
    path = project.folder / "tasks" / "pneumonia" / "schema.py"
    path.write_text("print('} // here')\n" + path.read_text())
    done = subprocess.run(
        [*project.command(), "--rulegraph"],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "here" in done.stderr
    assert "here" not in done.stdout


def test_tables_that_do_not_fit_are_refused_by_the_plan(
    make_project: Callable[..., Project],
) -> None:
    project = make_project()
    experiments = project.config["experiments"]
    experiments["other"] = experiments["pneumonia"] | {"results_table": "PNA_Results_failures"}
    project.write_config()
    assert "PNA_Results_failures is the table of failures already" in refusal(project)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("x"), "is a file, not a folder"),
        (lambda path: path.symlink_to("nowhere"), "a link that leads nowhere"),
    ],
)
def test_results_that_are_no_folder_end_in_one_message(
    make_project: Callable[..., Project], make: Callable[[Path], object], words: str
) -> None:
    project = make_project()
    make(project.results)
    told = refusal(project)
    assert words in told
    assert str(project.results) in told


def test_relative_paths_are_those_of_the_folder_that_the_workflow_runs_in(
    make_project: Callable[..., Project],
) -> None:
    project = make_project()
    (project.folder / "run").mkdir()
    told = refusal(project, "--directory", "run")
    assert str(project.folder / "run" / "tasks") in told
    assert "`snakemake --directory`" in told
    for name in ("tasks", "notes.sqlite"):
        (project.folder / name).rename(project.folder / "run" / name)
    done = project.snakemake("--directory", "run", "--until", "extract")
    assert done.returncode == 0, done.stdout
    assert (project.folder / "run" / "results" / "cohorts").is_dir()
    assert not project.results.exists()


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


def refusal(project: Project, *arguments: str) -> str:
    """What a plan that is refused says."""
    done = project.snakemake("-n", *arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert done.stdout.count("what to do:") == 1
    return done.stdout


def answer_shards(project: Project) -> list[Path]:
    """All result shards of a project."""
    return sorted((project.results / "answers").rglob("*.parquet"))


def lose_notes(project: Project, shard: str) -> Path:
    """Delete a notes shard; returns its path."""
    lost = next((project.results / "cohorts").rglob(f"{shard}.parquet"))
    lost.unlink()
    return lost


def grow(project: Project) -> None:
    """A note comes into the table that the cohort was read from."""
    with closing(sqlite3.connect(project.folder / "notes.sqlite")) as database, database:
        database.execute("INSERT INTO notes VALUES (10, 'A10', 'A new note: cough.')")


def stop_the_engine(project: Project) -> None:
    """From here on the engine could answer nothing."""
    project.config["engines"]["embedded"]["command"] = ["false"]
    project.write_config()

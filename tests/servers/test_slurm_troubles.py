"""What happens to jobs on a real Slurm, and to Slurm itself, and how a run outlives it."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import pytest

from notemill.config.database import PASSWORD_VARIABLE
from tests.processes import below
from tests.servers.mariadb import MariaDB
from tests.servers.slurm import CommandFailed, SlurmCluster
from tests.servers.standin import store
from tests.servers.test_end_to_end import (
    COLLAPSED,
    ROWS,
    config,
    every_answer_is_right,
    fill,
)
from tests.workflow.project import REPOSITORY, SITE, Project, site_arguments


@dataclass
class Run:
    """snakemake in the background over a project of `shards` shards, its output in a file."""

    folder: Path
    database: MariaDB
    cluster: SlurmCluster
    project: Project = field(init=False)

    def __post_init__(self) -> None:
        fill(self.database)
        self.answer_slowly(1.0)
        store.make_model(self.folder / "store")
        settings = config(self.folder, self.database)
        # A model to pull, by an engine that waits for this file to go.
        settings["engines"]["engine"]["pull"] = True
        settings["experiments"]["pneumonia"]["model"] = "pulled"
        settings["engines"]["engine"]["setup"] = f"while test -e {self.hold}; do sleep 0.1; done"
        self.project = Project(self.folder / "project", settings, dict(self.cluster.environment))

    @property
    def hold(self) -> Path:
        return self.folder / "hold"

    @property
    def output(self) -> str:
        return (self.folder / "driver.log").read_text()

    def start(
        self,
        shards: int,
        *arguments: str,
        profile: str = "slurm",
        site: Mapping[str, Sequence[str]] = SITE,
        **environment: str,
    ) -> None:
        self.project.config["cohorts"]["visits"]["shards"] = shards
        self.project.write_config()
        self.project.environment |= environment
        with (self.folder / "driver.log").open("w") as out:
            self.driver = subprocess.Popen(
                self.project.command(*site_arguments(site), *arguments, profile=profile),
                cwd=self.project.folder,
                env=self.project.environment,
                stdout=out,
                stderr=out,
            )

    def answer_slowly(self, seconds: float) -> None:
        """How long the engines of jobs that start from now on take for a note."""
        rules = [{"fault": "slow", "value": seconds, "match": "Visit"}] if seconds else []
        (self.folder / "faults.json").write_text(json.dumps(rules))

    def answering(self) -> dict[str, str]:
        """Shards with at least one answer in their journal that are running: to their jobs."""
        table = self.cluster.run("squeue", "-h", "-t", "RUNNING", "-o", "%i %k")
        running = {comment[-4:]: job for job, comment in map(str.split, table.splitlines())}
        begun = {
            path.name[:4]
            for path in (self.project.results / "answers").rglob("*.journal.jsonl")
            if b'"text"' in path.read_bytes()
        }
        return {shard: job for shard, job in running.items() if shard in begun}

    def written(self) -> set[str]:
        """Shards whose result is there."""
        return {path.stem for path in self.project.results.glob("answers/**/*.parquet")}

    def until(self, condition: Callable[[], bool], seconds: float = 240) -> None:
        """Wait for the condition while snakemake is running."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.driver.poll() is None, self.output
            assert time.monotonic() < end, self.output
            time.sleep(0.4)

    def ends_well(self, seconds: float = 400) -> None:
        """It ends by itself, nothing is left over, and each note has its own answer."""
        assert self.driver.wait(timeout=seconds) == 0, self.output
        every_answer_is_right(self.database)
        self.until_gone()

    def until_gone(self) -> None:
        """No process of the run is left: neither of a job nor of an engine."""
        end = time.monotonic() + 180  # Slurm ends a cancelled job in 30 s, on a machine with time
        while left := self.processes():
            assert time.monotonic() < end, [process.info["cmdline"] for process in left]
            time.sleep(0.4)

    def processes(self) -> list[psutil.Process]:
        """All that work in the project's folder or are an engine of it."""
        found = []
        for process in psutil.process_iter(["cwd", "environ", "cmdline"]):
            engine = (process.info["environ"] or {}).get("STANDIN_FAULTS", "")
            if process.info["cwd"] == str(self.project.folder) or str(self.folder) in engine:
                found.append(process)
        return found


@pytest.fixture
def run(tmp_path: Path, database: MariaDB, cluster: SlurmCluster) -> Iterator[Run]:
    run = Run(tmp_path, database, cluster)
    yield run
    if run.driver.poll() is None:
        run.driver.kill()
    cluster.mend()
    for job in cluster.squeue():
        cluster.run("scancel", "--signal=KILL", "--full", job)


SILENT = "Slurm does not answer as it should"
RUNBOOK = (REPOSITORY / "docs" / "operations.md").read_text().partition("## Ending jobs")[2]
WAYS = re.findall(r"`(scancel [^`]*JOB[^`]*)`", RUNBOOK)
"""The runbook's ways to end one job."""
ENDED_EACH = 2
"""Jobs of a shard that are ended one by one: with the one that is ended among all, its retries."""


def scripts(run: Run, job: str | None = None) -> list[psutil.Process]:
    """The running scripts of the rule answer, of one job or of all."""
    return [
        process
        for process in run.processes()
        if any(".answer.py" in word for word in (process.info["cmdline"] or [])[1:2])
        and job in (None, (process.info["environ"] or {}).get("SLURM_JOB_ID"))
    ]


def by_command(way: str, run: Run, job: str) -> None:
    run.cluster.run(*way.replace("JOB", job).split())


def of_its_script(run: Run, job: str) -> None:
    (script,) = scripts(run, job)
    script.kill()


def of_the_snakemake_above(run: Run, job: str) -> None:
    """Slurm without cgroups does not know the script any more."""
    (script,) = scripts(run, job)
    above = script.parent()
    assert above
    above.kill()


def test_a_job_ended_in_any_way_is_seen_and_tried_again(run: Run) -> None:
    ways = [*(partial(by_command, way) for way in WAYS), of_its_script, of_the_snakemake_above]
    assert len(ways) > 10
    run.answer_slowly(6)
    run.start(-(-len(ways) // ENDED_EACH) + 1)
    ended: dict[str, str] = {}

    def next_one() -> list[tuple[str, str]]:
        """Shards whose tries are not spent, with their asking jobs that were not ended yet."""
        spent = Counter(ended.values())
        return [
            (shard, job)
            for shard, job in run.answering().items()
            if job not in ended and spent[shard] < ENDED_EACH and scripts(run, job)
        ]

    for way in ways:
        run.until(lambda: bool(next_one()))
        shard, job = next_one()[0]
        way(run, job)
        ended[job] = shard
    # One more, and then all of them at once.
    run.until(lambda: bool(next_one()) and len(run.answering()) > 1)
    shard, job = next_one()[0]
    # A requeue beside Snakemake's own retries is refused, and the job goes on.
    with pytest.raises(CommandFailed, match="disabled for job"):
        run.cluster.run("scontrol", "requeue", job)
    assert run.answering()[shard] == job
    at_once = set(run.answering().values())
    run.answer_slowly(0)
    run.cluster.run("scancel", "--me")
    run.ends_well()
    for job in {*ended, *at_once}:
        assert f"Slurm job {job} ended: " in run.output


def waiting_sbatch(run: Run) -> tuple[Path, Path]:
    """An sbatch in a folder of its own that makes the first file and waits for the second."""
    folder = run.folder / "bin"
    folder.mkdir()
    begun, go = folder / "begun", folder / "go"
    program = shutil.which("sbatch", path=run.project.environment["PATH"])
    (folder / "sbatch").write_text(
        f'#!/bin/sh\ntouch {begun}\nwhile [ ! -e {go} ]; do sleep 0.1; done\nexec {program} "$@"\n'
    )
    (folder / "sbatch").chmod(0o755)
    return begun, go


def test_a_run_outlives_slurmdbd_and_slurmctld(run: Run) -> None:
    """Longer than the plugin's patience; jobs end meanwhile."""
    begun, go = waiting_sbatch(run)
    run.start(4, "--resources", "gpu=2", PATH=f"{begun.parent}:{run.project.environment['PATH']}")
    # Submissions that meet a controller that hangs: sbatch says no, and it takes the job after all.
    run.until(begun.exists)
    run.cluster.pause("slurmctld")
    go.touch()
    run.until(lambda: run.output.count("Slurm can't take a job just now") >= 2)
    run.cluster.unpause("slurmctld")
    run.until(lambda: run.output.count("taken after all") == 2)

    for outage, away in enumerate((["slurmdbd"], ["slurmctld", "slurmdbd"]), 1):
        run.until(lambda: len(run.answering()) == 2)
        running = set(run.answering())
        for name in away:
            run.cluster.stop(name)
        run.until(lambda outage=outage: run.output.count(SILENT) == outage)
        run.until(lambda running=running: running <= run.written())
        time.sleep(5)
        assert run.driver.poll() is None
        for name in reversed(away):
            run.cluster.start(name)
        run.until(lambda outage=outage: run.output.count("Slurm answers again") == outage)
    run.ends_well()
    assert " ended: " not in run.output


def test_a_job_that_neither_squeue_nor_sacct_shows_is_tried_again(run: Run) -> None:
    run.start(1, NOTEMILL_SLURM_PATIENCE_S="3")
    run.until(lambda: len(run.answering()) == 1)
    job = run.answering()["0000"]
    # Both are asked for the run's jobs by name.
    run.cluster.run("scontrol", "update", f"JobId={job}", "JobName=another")
    run.cluster.run("scancel", job)
    run.answer_slowly(0)
    run.until(lambda: f"Slurm job {job} ended: LOST" in run.output)
    run.ends_well()


@pytest.mark.parametrize("reached_from", ["login", "compute"])
def test_only_jobs_that_use_the_database_have_its_password_and_files_are_written_there_too(
    run: Run, database: MariaDB, reached_from: str
) -> None:
    settings = run.project.config["database"]
    Path(settings["option_file"]).write_text(f"[client]\nuser={database.user}\n")
    settings["reached_from"] = reached_from
    run.project.config["experiments"]["pneumonia"]["outputs"] = "out/{cohort}.csv"
    run.hold.touch()
    run.start(1, **{PASSWORD_VARIABLE: database.password})

    run.until(lambda: len(of_script(run, ".model.py")) > 1)
    for process in of_script(run, ".model.py"):
        assert PASSWORD_VARIABLE not in process.info["environ"]
    run.hold.unlink()

    run.until(lambda: len(run.answering()) == 1)
    job = run.answering()["0000"]
    of_job = [p for p in run.processes() if p.info["environ"].get("SLURM_JOB_ID") == job]
    assert any(".answer.py" in " ".join(process.info["cmdline"]) for process in of_job)
    # The batch script, two snakemakes, srun, the script and its engine.
    assert len(of_job) > 4
    for process in of_job:
        assert PASSWORD_VARIABLE not in process.info["environ"]
    assert PASSWORD_VARIABLE in psutil.Process(run.driver.pid).environ()
    run.ends_well()
    assert database.password not in run.output
    table = database.execute("SELECT patientvisitid, llm_explanation FROM clinical.PNA_Results")
    with (run.project.folder / "out" / "visits.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == ROWS - COLLAPSED
    told = [(row["patientvisitid"], row["llm_explanation"]) for row in rows]
    answered = [pair for pair, row in zip(told, rows, strict=True) if row["status"] == "answered"]
    assert sorted(answered) == sorted(map(tuple, table))


def of_script(run: Run, name: str) -> list[psutil.Process]:
    """The running script of a rule and all that it started."""
    scripts = [p for p in run.processes() if any(name in w for w in (p.info["cmdline"] or [])[1:2])]
    theirs = {child.pid for script in scripts for child in below(script.pid)}
    return [p for p in run.processes() if p in scripts or p.pid in theirs]

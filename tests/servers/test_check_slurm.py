"""`notemill check --cluster` on a real Slurm: what it takes, what a node sees, no job left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from notemill.config.database import PASSWORD_VARIABLE
from tests.servers.mariadb import MariaDB
from tests.servers.slurm import SlurmCluster
from tests.servers.standin import store
from tests.servers.test_end_to_end import config, fill
from tests.unit.check.conftest import one
from tests.unit.engines.waiting import until
from tests.workflow.project import REPOSITORY, Project

OWN = ("--job-name", "--output", "--comment")
"""Options of sbatch whose values are a submission's own."""


class Site:
    """A project, a user's own profile, and `notemill check --cluster` in it."""

    def __init__(self, folder: Path, database: MariaDB, cluster: SlurmCluster) -> None:
        fill(database)
        store.make_model(folder / "store")
        (folder / "faults.json").write_text("[]")
        self.folder = folder
        self.cluster = cluster
        self.sent = folder / "sent"
        sbatch = folder / "bin" / "sbatch"
        sbatch.parent.mkdir()
        sbatch.write_text(
            f"#!/bin/sh\n(printf '%s\\0' \"$@\"; printf '\\n') >> {self.sent}\n"
            'exec /usr/bin/sbatch "$@"\n'
        )
        sbatch.chmod(0o755)
        environment = dict(cluster.environment)
        environment |= {
            "PATH": f"{sbatch.parent}:{environment['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            PASSWORD_VARIABLE: database.password,
        }
        self.project = Project(folder / "project", config(folder, database), environment)
        self.profile = yaml.safe_load((REPOSITORY / "profiles/slurm/profile.yaml").read_text())
        self.profile["default-resources"] |= {"slurm_account": "research", "mem_mb": 1000}
        self.answer["mem_mb"] = "2000 * attempt"
        self.profile["set-threads"]["answer"] = 2
        self.status = 0

    @property
    def answer(self) -> dict[str, Any]:
        values: dict[str, Any] = self.profile["set-resources"]["answer"]
        return values

    @property
    def engine(self) -> dict[str, Any]:
        values: dict[str, Any] = self.project.config["engines"]["engine"]
        return values

    def command(self, *arguments: str) -> list[str]:
        """Of the check, with configuration and profile as they are now."""
        self.project.write_config()
        place = self.project.folder / "site" / "profile.yaml"
        place.parent.mkdir(exist_ok=True)
        place.write_text(yaml.safe_dump(self.profile))
        return [
            *(sys.executable, "-m", "notemill", "check", "--configfile", "config.yaml"),
            *("--cluster", "--profile", "site", "--json", *arguments),
        ]

    def found(self, *arguments: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.project.folder,
            env=self.project.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.status = done.returncode
        assert "Traceback" not in done.stderr, done.stderr
        findings: list[dict[str, Any]] = json.loads(done.stdout)
        return findings

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """In the background."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.project.folder,
            env=self.project.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def submissions(self) -> list[list[str]]:
        """What sbatch was called with since this was asked, but for what is each one's own."""
        lines = self.sent.read_text().splitlines()
        self.sent.unlink()
        return [_plain(line.split("\0")[:-1]) for line in lines]


def _plain(words: list[str]) -> list[str]:
    kept, skip = [], False
    for word in words:
        if not (skip or word in OWN or word.startswith(("--test-only", "--wrap="))):
            kept.append(word)
        skip = word in OWN
    return kept


@pytest.fixture
def site(tmp_path: Path, database: MariaDB, cluster: SlurmCluster) -> Iterator[Site]:
    yield Site(tmp_path, database, cluster)
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=UP", "MaxTime=UNLIMITED")
    for job in cluster.squeue():
        cluster.run("scancel", "--signal=KILL", "--full", job)


def refusals(found: list[dict[str, Any]]) -> list[str]:
    return [each["what"] for each in found if each["level"] == "refusal"]


def test_a_node_is_looked_at_from_within_and_nothing_is_left(
    site: Site, database: MariaDB, cluster: SlurmCluster
) -> None:
    seen = site.folder / "environment"
    site.engine["setup"] = f"env > {seen}"
    found = site.found()
    assert site.status == 0, refusals(found)
    for words in (
        "answer: sbatch takes it in partition gpu (240 minutes, 2000 MB), would start",
        "results is seen and written there",
        "a lock of the login node holds there too",
        "engines.engine: Ollama 0.24.0 starts",
        "model standin is seen",
        "is reached from there, not needed",
        "its report was written on",
    ):
        assert one(found, words)["level"] == "ok"

    def jobs() -> list[dict[str, str]]:
        accounted = cluster.sacct(fields="JobName,AllocTRES,Comment,Timelimit")
        return [each for each in accounted if each["JobName"].startswith("notemill-check")]

    until(lambda: bool(jobs()))
    (job,) = jobs()[-1:]
    assert "gres/gpu=1" in job["AllocTRES"]
    assert job["Timelimit"] == "00:05:00"
    assert "SLURM_JOB_ID=" in seen.read_text()
    assert database.password not in seen.read_text() + json.dumps(found) + site.sent.read_text()
    assert not cluster.squeue()
    assert not site.project.results.exists()


def test_what_is_asked_of_slurm_is_what_a_run_sends(site: Site, cluster: SlurmCluster) -> None:
    """The very sbatch of each stage: every option, in its order."""
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=DOWN")
    site.answer.update(runtime="3h", constraint="", slurm_extra="--signal=TERM@60 --nice=5")
    site.profile["slurm-qos"] = "normal"
    site.project.config["experiments"]["pneumonia"]["pilot"] = {"notes": 0}
    found = site.found("--wait", "0.01")
    assert one(found, "partition gpu is DOWN")["level"] == "warning"
    assert "PENDING (PartitionDown)" in one(found, "still in the queue")["what"]
    assert site.status == 0
    assert not cluster.squeue()
    # The first try, the last with more memory, and the check's own job.
    *asked, probe = site.submissions()
    assert probe == [{"180": "5"}.get(word, word) for word in asked[0]]
    assert len(asked) == 2
    run = subprocess.Popen(
        [*site.project.command()[:7], "--profile", "site"],
        cwd=site.project.folder,
        env=site.project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(cluster.squeue()) == 2)
    finally:
        run.kill()
        run.wait()
    sent = site.submissions()
    assert sent[0] == sent[1] == asked[0]
    assert asked[1] == [{"2000": "8000"}.get(word, word) for word in asked[0]]


def test_what_slurm_will_not_do_is_refused_with_its_own_words(
    site: Site, cluster: SlurmCluster
) -> None:
    cluster.run("scontrol", "update", "PartitionName=gpu", "MaxTime=60")
    site.project.config["database"]["reached_from"] = "compute"
    site.profile["default-resources"]["slurm_partition"] = "nowhere"
    site.answer.update(slurm_account="nobody", mem_mb="20000 * attempt")
    found = site.found()
    assert site.status == 1
    account = one(found, "answer: The given account nobody appears to be invalid")
    assert "sacctmgr" in account["remedy"]
    assert account["where"] == "rule answer in site"
    for stage in ("extract", "tables", "load"):
        refusal = one(found, f"{stage}: sbatch refuses it: invalid partition specified: nowhere")
        assert "`sinfo` lists the partitions" in refusal["remedy"]
    assert "set runtime to 60 at most" in one(found, "answer: runtime 240 minutes")["remedy"]
    assert one(found, "no job was sent")["level"] == "warning"

    site.profile["default-resources"]["slurm_partition"] = "cpu"
    site.answer.pop("slurm_account")
    site.answer["runtime"] = 30
    found = site.found("--no-job")
    assert site.status == 0
    last = one(found, "answer: sbatch would refuse try 4, which asks for 80000 MB")
    assert "8 CPUs, 64000 MB, gpu:2" in last["remedy"]


def test_a_check_that_is_ended_takes_its_job_back(site: Site, cluster: SlurmCluster) -> None:
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=DOWN")
    ways = (signal.SIGINT, signal.SIGHUP)  # SIGTERM is handled as SIGHUP is
    commands = [site.started() for _ in ways]
    until(lambda: len(cluster.squeue()) == len(ways))
    for command, way in zip(commands, ways, strict=True):
        command.send_signal(way)
    assert [command.wait(timeout=300) for command in commands] == [130] * len(ways)
    assert not cluster.squeue()
    assert not [path for path in site.project.results.rglob("*") if path.is_file()]


def test_a_folder_that_nodes_do_not_see_is_refused(site: Site, cluster: SlurmCluster) -> None:
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=DOWN")
    command = site.started()
    until(lambda: bool(cluster.squeue()))
    site.project.results.rename(site.project.folder / "elsewhere")
    site.project.results.write_text("what a node sees there")
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=UP")
    output, _ = command.communicate(timeout=600)
    assert command.returncode == 1
    assert "left nothing below results" in refusals(json.loads(output))[0]

"""Answer jobs and four servers on a real Slurm: one is killed, one's time is up, one comes late."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from notemill.endpoints.publication import published
from notemill.errors import NotemillError
from tests.servers.slurm import SlurmCluster
from tests.servers.standin import store
from tests.servers.test_servers import wait_for
from tests.workflow.project import REPOSITORY, SITE, Project, site_arguments

NOTES = {
    str(number): f"Visit {number}. " + ("Pneumonia." if number % 3 else "Clear lungs.")
    for number in range(400)
}
SLOTS = 2
NUM_PREDICT = 128
"""Of the notes alone: proofs and controls ask for less."""
PATIENCE_S = 600
"""No time is asserted: for a test that is broken."""


@dataclass
class Site:
    """A project of two shards, whose servers each write down what they are asked."""

    folder: Path
    cluster: SlurmCluster
    project: Project = field(init=False)

    def __post_init__(self) -> None:
        store.make_model(self.folder / "store")
        self.slow.touch()
        slow = {"fault": "slow", "value": 0.5, "match": "Visit", "while": str(self.slow)}
        quick = {"fault": "slow", "value": 0.02, "match": "Visit"}
        (self.folder / "faults.json").write_text(json.dumps([quick, slow]))
        lines = [json.dumps({"id": each, "text": text}) for each, text in NOTES.items()]
        (self.folder / "notes.jsonl").write_text("\n".join(lines) + "\n")
        self.project = Project(
            self.folder / "project", self._config(), dict(self.cluster.environment)
        )

    @property
    def slow(self) -> Path:
        """While it is there an answer takes half a second."""
        return self.folder / "slow"

    @property
    def endpoints(self) -> Path:
        return self.folder / "pool"

    def _config(self) -> dict[str, Any]:
        standin = str(REPOSITORY / "tests" / "servers" / "standin" / "ollama")
        ledger = f'STANDIN_JOURNAL={self.folder}/asked-$SLURM_JOB_ID exec "$0" "$@"'
        return {
            "tasks": str(REPOSITORY / "config" / "tasks"),
            "cohorts": {
                "notes": {
                    "files": str(self.folder / "notes.jsonl"),
                    "id_columns": ["id"],
                    "text_column": "text",
                    "shards": 2,
                }
            },
            "engines": {
                "pool": {
                    "kind": "ollama",
                    "command": ["sh", "-c", ledger, sys.executable, standin],
                    "models": str(self.folder / "store"),
                    "slots": SLOTS,
                    "gpu": "off",
                    "endpoints": str(self.endpoints),
                    "environment": {"STANDIN_FAULTS": str(self.folder / "faults.json")},
                }
            },
            "experiments": {
                "pneumonia": {
                    "task": "pneumonia",
                    "engine": "pool",
                    "model": "standin",
                    "options": {"num_ctx": 1024, "num_predict": NUM_PREDICT},
                    "outputs": "answers.jsonl",
                    "pilot": {"notes": 0},
                }
            },
        }

    def serve(self, *options: str, minutes: int = 30) -> str:
        """A server's job; returns its number."""
        environment = {"PYTHONPATH": str(REPOSITORY), "PATH": self._path}
        done = subprocess.run(
            [
                *("sbatch", "--parsable", f"--account={self.cluster.account}", "--partition=gpu"),
                *("--mem=1G", "--cpus-per-task=1", f"--time={minutes}"),
                *(str(REPOSITORY / "profiles" / "serve.sbatch"), "pool"),
                *("--configfile", "config.yaml", "--threads", "1", *options),
            ],
            cwd=self.project.folder,
            env=dict(self.cluster.environment) | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def serve_shortly(self) -> str:
        """A server's job whose time limit comes near soon after it was first asked."""
        # Limits of Slurm's are in whole minutes. On a busy machine it is ready late.
        for drain in ("2.6", "2", "1"):
            server = self.serve("--drain", drain, minutes=3)
            wait_for(lambda job=server: job in self.states() or self._over(job), PATIENCE_S)
            wait_for(lambda job=server: bool(self.asked(job)) or self._over(job), PATIENCE_S)
            if self.asked(server):
                return server
        raise AssertionError(self.told())

    def _over(self, job: str) -> bool:
        return job not in self.cluster.squeue()

    @property
    def _path(self) -> str:
        return f"{Path(sys.executable).parent}:{self.cluster.environment['PATH']}"

    def states(self) -> dict[str, str]:
        """Of each published server, by its job's number."""
        try:
            found = published(self.endpoints).endpoints
        except NotemillError:
            return {}
        return {each.endpoint.job.split()[-1]: each.endpoint.state for each in found}

    def asked(self, server: str) -> list[str]:
        """What a server was asked about notes, each by its hash, in order."""
        place = self.folder / f"asked-{server}"
        lines = place.read_text().splitlines() if place.exists() else []
        requests = [json.loads(line) for line in lines]
        return [
            each["messages"] for each in requests if each["options"]["num_predict"] == NUM_PREDICT
        ]

    def answer(self) -> subprocess.Popen[str]:
        """snakemake, in the background."""
        site = {"default-resources": SITE["default-resources"]}
        return subprocess.Popen(
            self.project.command(*site_arguments(site), profile="slurm-pool"),
            cwd=self.project.folder,
            env=self.project.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def told(self) -> str:
        """What the answer jobs and servers told."""
        logs = [*self.project.results.rglob("*.log"), *self.project.folder.glob("*.log")]
        return "\n".join(each.read_text(errors="replace") for each in logs)


def kill(job: str, of: Site) -> None:
    """SIGKILL for all of a job's processes; scancel would say SIGTERM first."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            told = process.environ()
            here = told.get("SLURM_SUBMIT_DIR") == str(of.project.folder)
            if here and told.get("SLURM_JOB_ID") == job:
                found.append(process)
    for process in found:
        with suppress(psutil.Error):
            process.kill()
    assert found


@pytest.fixture
def site(tmp_path: Path, cluster: SlurmCluster) -> Iterator[Site]:
    yield Site(tmp_path, cluster)
    for job in cluster.squeue():
        cluster.run("scancel", "--signal=KILL", "--full", job)
    wait_for(lambda: not cluster.squeue())


def test_of_four_servers_one_is_killed_one_reaches_its_time_limit_and_one_comes_late(
    site: Site, cluster: SlurmCluster
) -> None:
    killed, stays = site.serve(), site.serve()
    run = site.answer()
    try:
        wait_for(lambda: len(site.asked(killed)) >= 12, PATIENCE_S)
        drains = site.serve_shortly()
        kill(killed, site)
        late = site.serve()
        wait_for(lambda: len(site.asked(late)) > 0, PATIENCE_S)
        wait_for(lambda: drains not in site.states(), PATIENCE_S)
        site.slow.unlink()
        output, _ = run.communicate(timeout=PATIENCE_S)
    finally:
        run.kill()
    assert run.returncode == 0, output + site.told()

    rows = [json.loads(line) for line in (site.project.folder / "answers.jsonl").open()]
    assert [row["id"] for row in rows] == list(NOTES)
    assert {row["status"] for row in rows} == {"answered"}
    for row in rows:
        likely = "neumonia" in NOTES[row["id"]]
        assert row["llm_response"] == ("(1) Likely" if likely else "(2) Unlikely")
        assert row["llm_explanation"] == NOTES[row["id"]][:40]

    asked = {each: site.asked(each) for each in (drains, killed, stays, late)}
    assert all(asked.values()), "one was not asked at all"
    often = Counter(note for each in asked.values() for note in each)
    assert len(often) == len(NOTES)
    again = {note for note, times in often.items() if times > 1}
    # Two jobs, each with a place more than there are slots, of which the engine takes its slots.
    assert len(again) <= 2 * (SLOTS + 1)
    assert again <= set(asked[killed]), "what no killed server had was asked again"
    assert max(often.values()) <= 2
    assert again <= set(asked[killed][-2 * (SLOTS + 1) :]), "an answered one was asked again"

    told = site.told()
    assert "draining (its time limit is near)" in told
    assert "is gone and cools down" in told and "takes nothing new" in told
    wait_for(lambda: cluster.sacct("-j", drains)[0]["State"] == "COMPLETED")
    assert set(site.states()) >= {stays, late}
    assert drains not in site.states()

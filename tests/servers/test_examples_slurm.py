"""examples/pool, its README word for word on a real Slurm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.slurm import SlurmCluster
from tests.servers.test_servers import wait_for
from tests.workflow.pages import blocks, copied, run
from tests.workflow.project import POLLING


@pytest.fixture
def alone(cluster: SlurmCluster) -> Iterator[SlurmCluster]:
    """The cluster, without jobs at the end."""
    yield cluster
    for job in cluster.squeue():
        cluster.run("scancel", "--signal=KILL", "--full", job)


def test_a_pool_on_slurm_is_asked_by_jobs_without_a_gpu(
    tmp_path: Path, alone: SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = copied(tmp_path / "clone", "demo", "docs")
    folder = clone / "examples" / "pool"
    for name, value in alone.environment.items():
        monkeypatch.setenv(name, value)
    serve, ask, who, summary, end = blocks(clone, "pool")
    servers = run(serve, clone).split()[-1]
    ask = ask.replace("snakemake ", f"snakemake {' '.join(POLLING)} --latency-wait 10 ", 1)
    run(ask, clone)

    answers = [json.loads(line) for line in (folder / "answers.jsonl").open()]
    notes = [json.loads(line) for line in (folder.parent / "files" / "notes.jsonl").open()]
    assert [row["note_id"] for row in answers] == [note["note_id"] for note in notes]
    assert {row["status"] for row in answers} == {"answered"}
    jobs = alone.sacct("--allocations", fields="JobID,JobName,Comment,AllocTRES")
    # The cluster may have had other tests' jobs before.
    jobs = [job for job in jobs if int(job["JobID"].partition("_")[0]) >= int(servers)]
    asked = [job for job in jobs if "rule_answer" in job["Comment"]]
    assert len(asked) == 3
    assert not [job for job in asked if "gres/gpu" in job["AllocTRES"]]
    serving = [job for job in jobs if job["JobID"].startswith(f"{servers}_")]
    assert len(serving) == 2
    assert all("gres/gpu=1" in job["AllocTRES"] for job in serving)

    wait_for(lambda: len(list((folder / "endpoints").glob("*.json"))) == 2)
    told = run(who, clone)
    for published in (folder / "endpoints").glob("*.json"):
        assert told.count(published.stem) >= 2, "listed, and proven from here"
    assert "12 of 12" in run(summary, clone)
    assert "Nothing to be done" in run(ask, clone)
    run(end, clone)
    wait_for(lambda: not alone.squeue() and not list((folder / "endpoints").glob("*")))

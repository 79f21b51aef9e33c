"""What a shard's job takes on Slurm beside its engine: Snakemake twice, Python, files.

    python -m benchmarks.overhead [--shards 4]

Runs the demo's question over a few notes on the tests' Slurm, one job at a time. For each job:
seconds from its first step's start until its end, and those of them that the job itself counts
(from the opened shard to the last answer, the engine's start among them). Slurm tells whole
seconds, so a figure is the mean of all jobs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import Any

from notemill.answers.shard import read_origin
from tests import oracle
from tests.servers.slurm import SlurmCluster
from tests.workflow.project import Project


@dataclass(frozen=True)
class Overhead:
    """Mean seconds a job. parts: whole, counted (by the job itself) and outside."""

    jobs: int
    parts: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shards", type=int, default=4)
    for each in measure(parser.parse_args().shards):
        print(f"{each.jobs} jobs:", {name: round(value, 2) for name, value in each.parts.items()})


def measure(shards: int) -> Iterator[Overhead]:
    """One run of so many jobs."""
    with (
        tempfile.TemporaryDirectory(prefix="notemill-overhead-") as folder,
        SlurmCluster() as slurm,
    ):
        place = Path(folder)
        oracle.write_sqlite(place / "notes.sqlite")
        config: dict[str, Any] = oracle.config(
            {"url": f"sqlite:///{place}/notes.sqlite"}, oracle.EMBEDDED
        )
        del config["experiments"]["pleural_effusion"]
        config["experiments"]["pneumonia"] |= {"pilot": {"notes": 0}}
        config["cohorts"]["oracle"]["shards"] = shards
        project = Project(place / "project", config, slurm.environment)
        done = project.on_slurm("--jobs", "1", "--resources", "gpu=1", "db=1", timeout=1800)
        assert done.returncode == 0, done.stdout
        origins = [read_origin(path) for path in (project.results / "answers").rglob("*.parquet")]
        jobs = [
            (datetime.fromisoformat(job["End"]) - datetime.fromisoformat(job["Start"])).seconds
            for job in slurm.sacct(fields="JobID,JobName,State,Start,End,Comment")
            if "answer" in job["Comment"]
        ]
        assert len(jobs) == len(origins) == shards, (jobs, len(origins))
        whole, counted = mean(jobs), mean(origin.seconds for origin in origins)
        parts = {"whole": whole, "counted": counted, "outside": whole - counted}
        yield Overhead(shards, parts)


if __name__ == "__main__":
    main()

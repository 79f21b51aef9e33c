"""What a configuration that can't work costs: Slurm jobs, and seconds until it is said.

    python -m benchmarks.refused [--shards 100] [--without-pilot]

An engine that is too old, on the tests' Slurm of two nodes and their MariaDB, with profiles/slurm
and its retries. Prints the GPU jobs that ran, and the seconds from the first one's start, by
Slurm's clock, until the message stands in its log and until it stands on the terminal.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests.servers.mariadb import MariaDB
from tests.servers.slurm import SlurmCluster
from tests.servers.standin import store
from tests.servers.test_end_to_end import config, fill, gpu_jobs, started
from tests.workflow.project import Project

_TOLD = "what to do:"


def main() -> None:
    options = _options()
    with (
        tempfile.TemporaryDirectory(prefix="notemill-refused-") as folder,
        MariaDB() as database,
        SlurmCluster() as cluster,
    ):
        place = Path(folder)
        fill(database)
        store.make_model(place / "store")
        too_old = [{"fault": "version", "value": "0.11.10"}]
        (place / "faults.json").write_text(json.dumps(too_old))
        settings = config(place, database)
        settings["cohorts"]["visits"]["shards"] = options.shards
        settings["experiments"]["pneumonia"]["pilot"] = {"notes": 64 * (not options.without_pilot)}
        project = Project(place / "project", settings, cluster.environment)
        began = time.time()
        told = _run(project)
        jobs = gpu_jobs(cluster)
        first = min(_seconds(job["Start"]) for job in jobs)
        logs = [path for path in (project.results / "logs").rglob("*.log") if _has_it(path)]
        in_log = min(path.stat().st_mtime for path in logs)
        print(f"{len(jobs)} GPU jobs for {options.shards} shards")
        print(f"{in_log - first:.1f} s from its start until the message is in the log")
        print(f"{told - first:.1f} s until it is on the terminal")
        print(f"{told - began:.1f} s from `snakemake`, {time.time() - began:.1f} s until it ended")


def _run(project: Project) -> float:
    """Run it to its end; returns when it has first said what to do."""
    told = 0.0
    with started(project) as run:
        assert run.stdout
        for line in run.stdout:
            if _TOLD in line and not told:
                told = time.time()
    return told


def _has_it(path: Path) -> bool:
    return _TOLD in path.read_text(errors="replace")


def _seconds(slurms: str) -> float:
    return datetime.fromisoformat(slurms).timestamp()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--without-pilot", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()

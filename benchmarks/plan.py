"""How long Snakemake plans: our workflow beside the smallest one with as many jobs.

    python -m benchmarks.plan [--shards 1000] [--runs 5] [--finished]

A fresh project with profiles/slurm, and a Snakefile of one rule without any directive; --finished:
the project with all done, whose plan says that there is nothing to do. The runs alternate, because
a machine's speed changes; each starts from nothing. Prints seconds and peak memory of each, and the
ratio, which differs less from machine to machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import yaml

from notemill.config import read_config
from notemill.paths import Layout, cut_name, shard_names
from notemill.plan.runs import plan_runs
from tests.workflow.project import REPOSITORY, Project

SMALLEST = """
SHARDS = [f"{{number:04d}}" for number in range({shards})]

rule all:
    input: expand("out/{{shard}}", shard=SHARDS)

rule one:
    output: "out/{{shard}}"
    shell: "touch {{output}}"
"""


@dataclass(frozen=True)
class Planned:
    """One plan. seconds: wall; cpu: seconds of this process and its children; memory: peak MiB."""

    who: str
    shards: int
    seconds: float
    cpu: float
    memory: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--finished", action="store_true")
    options = parser.parse_args()
    plans: dict[str, list[Planned]] = {}
    for each in measure(options.shards, options.runs, finished=options.finished):
        plans.setdefault(each.who, []).append(each)
    for who, runs in plans.items():
        wall = [run.seconds for run in runs]
        cpu, memory = median(run.cpu for run in runs), max(run.memory for run in runs)
        print(
            f"{who}: best {min(wall):.2f} s, median {median(wall):.2f} s, CPU {cpu:.2f} s, "
            f"{memory:.0f} MiB"
        )
    best, middle = (
        how(run.seconds for run in plans["notemill"])
        / how(run.seconds for run in plans["smallest"])
        for how in (min, median)
    )
    print(f"ratio: best {best:.2f}, median {middle:.2f}")


def measure(shards: int, runs: int, *, finished: bool = False) -> Iterator[Planned]:
    """Plans of ours and of the smallest workflow, in turns."""
    with tempfile.TemporaryDirectory(prefix="notemill-plan-") as folder:
        commands = {
            "notemill": _ours(Path(folder) / "notemill", shards, finished=finished),
            "smallest": _smallest(Path(folder) / "smallest", shards),
        }
        for _ in range(runs):
            for who, command in commands.items():
                yield Planned(who, shards, *_measured(command, Path(folder) / who))


def _ours(folder: Path, shards: int, *, finished: bool = False) -> list[str]:
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    config["tasks"] = str(REPOSITORY / "config" / "tasks")
    config["results"] = str(folder / "results")
    for cohort in config["cohorts"].values():
        cohort["shards"] = shards
    project = Project(folder, config)
    if finished:
        _finish(project, shards)
    return project.command("-n", profile="slurm")


def _finish(project: Project, shards: int) -> None:
    """Every file of a run, empty but for a byte, as if Snakemake had made them."""
    config = read_config(project.config)
    layout = Layout(config.results)
    cut = cut_name(shards)
    files = []
    for run in plan_runs(config):
        files.append(layout.model(run.model_id))
        for cohort in run.cohorts:
            whose = cohort, run.experiment_id
            files += [layout.manifest(cohort, cut), layout.tables(*whose), layout.pilot(*whose)]
            files += [layout.answers(*whose, cut, shard) for shard in shard_names(shards)]
            files += [layout.load(*whose), layout.repeat(*whose)]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    touched = project.snakemake("--touch", "--cores", "1", profile="local")
    if touched.returncode:
        sys.exit(touched.stdout[-3000:])
    assert project.planned(profile="slurm") == {}


def _smallest(folder: Path, shards: int) -> list[str]:
    folder.mkdir()
    (folder / "Snakefile").write_text(SMALLEST.format(shards=shards))
    return [sys.executable, "-m", "snakemake", "-n", "--cores", "1"]


def _measured(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Seconds of wall time, of CPU time, and MiB of peak memory of one run."""
    # Users have bytecode; a run that may not write it would compile everything each time.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with open(folder / "output", "w+") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=folder
        )
        _, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(output.read()[-6000:])
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()

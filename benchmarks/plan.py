"""How long Snakemake plans: our workflow beside the smallest one with as many jobs.

    python -m benchmarks.plan [--shards 1000] [--runs 5]

A fresh project with profiles/slurm, and a Snakefile of one rule without any directive. The runs
alternate, because a machine's speed changes; each starts from nothing. Prints seconds and peak
memory of each, and the ratio, which differs less from machine to machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import yaml

from tests.workflow.project import REPOSITORY, Project

SMALLEST = """
SHARDS = [f"{{number:04d}}" for number in range({shards})]

rule all:
    input: expand("out/{{shard}}", shard=SHARDS)

rule one:
    output: "out/{{shard}}"
    shell: "touch {{output}}"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="notemill-plan-") as folder:
        commands = {
            "notemill": _ours(Path(folder) / "notemill", options.shards),
            "smallest": _smallest(Path(folder) / "smallest", options.shards),
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        memory: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.runs):
            for name, command in commands.items():
                took, peak = _measured(command, Path(folder) / name)
                seconds[name].append(took)
                memory[name].append(peak)
    for name, runs in seconds.items():
        print(
            f"{name}: best {min(runs):.2f} s, median {median(runs):.2f} s, "
            f"{max(memory[name]):.0f} MiB"
        )
    best, middle = (how(seconds["notemill"]) / how(seconds["smallest"]) for how in (min, median))
    print(f"ratio: best {best:.2f}, median {middle:.2f}")


def _ours(folder: Path, shards: int) -> list[str]:
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    config["tasks"] = str(REPOSITORY / "config" / "tasks")
    for cohort in config["cohorts"].values():
        cohort["shards"] = shards
    return Project(folder, config).command("-n", profile="slurm")


def _smallest(folder: Path, shards: int) -> list[str]:
    folder.mkdir()
    (folder / "Snakefile").write_text(SMALLEST.format(shards=shards))
    return [sys.executable, "-m", "snakemake", "-n", "--cores", "1"]


def _measured(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds of wall time and MiB of peak memory of one run."""
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
    return took, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()

"""A user's project in a temporary folder: the workflow as it is, its own configuration."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.workflow import warm

REPOSITORY = Path(__file__).parents[2]
POLLING = ["--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"]
SITE = {
    "default-resources": [
        "slurm_account=research",
        "slurm_partition=cpu",
        "mem_mb=1000",
        "runtime=30",
    ],
    "set-resources": [
        "answer:slurm_partition=gpu",
        "answer:mem_mb=2000",
        "answer:runtime=30",
        "pilot_job:slurm_partition=gpu",
        "pilot_job:mem_mb=2000",
        "pilot_job:runtime=30",
        "answer:slurm_extra='--signal=TERM@20'",
    ],
}
"""What a user of profiles/slurm changes for the test cluster."""
ONE_THREAD = ["--set-threads", "answer=1", "pilot_job=1", "repeat=1"]
"""For profiles/local: threads of a model this small wait for each other, and keep a core busy."""


@dataclass
class Project:
    """Runs the repository's Snakefile with `config`, in `folder`, where results go too.

    before: words before each command, to run it in another world.
    """

    folder: Path
    config: dict[str, Any]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    before: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.write_config()

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def write_config(self) -> None:
        """Write the configuration as it stands now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config, sort_keys=False))

    def snakemake(
        self, *arguments: str, profile: str = "local", timeout: float = 900
    ) -> subprocess.CompletedProcess[str]:
        """Run snakemake; output and errors come together in stdout."""
        command = self.command(*arguments, profile=profile)
        if not self.before and warm.fits(self.environment):
            return warm.run_warm(command[3:], self.folder, self.environment, timeout)
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def command(self, *arguments: str, profile: str = "local") -> list[str]:
        """The command line of `snakemake`."""
        own = ONE_THREAD if profile == "local" and "--set-threads" not in arguments else ()
        return [
            *self.before,
            *(sys.executable, "-m", "snakemake"),
            *("--snakefile", str(REPOSITORY / "workflow" / "Snakefile")),
            *("--configfile", "config.yaml"),
            *own,
            *("--profile", str(REPOSITORY / "profiles" / profile)),
            *arguments,
        ]

    def on_slurm(self, *arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run with profiles/slurm, the site's lines overridden for the test cluster."""
        return self.snakemake(*site_arguments(), *arguments, profile="slurm", timeout=timeout)

    def planned(self, *arguments: str, profile: str = "local") -> dict[str, int]:
        """The job table of a dry run: rule to number of jobs."""
        done = self.snakemake("-n", "--quiet", "rules", *arguments, profile=profile)
        assert done.returncode == 0, done.stdout
        return job_table(done.stdout)


def site_arguments(site: Mapping[str, Sequence[str]] = SITE) -> list[str]:
    """Command-line arguments for the test cluster."""
    arguments = [*POLLING, "--set-threads", "answer=1", "pilot_job=1", "--latency-wait", "10"]
    for option, values in site.items():
        arguments += [f"--{option}", *values]
    return arguments


def job_table(output: str) -> dict[str, int]:
    """Jobs by rule in what `snakemake -n` prints; empty when there is nothing to do."""
    if "Nothing to be done" in output:
        return {}
    table = output.partition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}

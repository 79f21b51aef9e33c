"""A failed job's update() outputs, in a Slurm job's nested snakemakes; srun is a shell's exec."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.project import REPOSITORY

SNAKEFILE = """
import sys
sys.path.insert(0, config["repository"])
from notemill.slurm.updates import mend_updates
mend_updates()
rule all:
    input: "out"
rule out:
    output: update("out")
    params: config["value"]
    shell: config["shell"]
"""
SRUN = """#!/bin/sh
while case "$1" in -*) true;; *) false;; esac; do shift; done
exec "$@"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "srun").write_text(SRUN)
    (tmp_path / "bin" / "srun").chmod(0o755)
    return tmp_path


def snakemake(folder: Path, value: str, shell: str, *arguments: str) -> tuple[int, str]:
    """Its status and what it says."""
    path = f"{folder}/bin:{os.environ['PATH']}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--jobs", "1", "--rerun-incomplete"),
            *("--config", f"repository={REPOSITORY}", f"value={value}", f"shell={shell}"),
            *("--rerun-triggers", "mtime", "params", "input"),
            *arguments,
        ],
        cwd=folder,
        env=os.environ | {"PATH": path, "SLURM_JOB_ID": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_failed_job_leaves_the_earlier_result_and_the_next_plan_runs_it_again(
    folder: Path,
) -> None:
    status, said = snakemake(folder, "first", "echo first > out")
    assert status == 0, said
    status, said = snakemake(folder, "second", "false", "--executor", "slurm-jobstep")
    assert status != 0
    assert "Error in rule out" in said
    assert (folder / "out").read_text() == "first\n"
    status, said = snakemake(folder, "second", "echo second > out", "-n", "--quiet", "rules")
    assert status == 0, said
    assert "Nothing to be done" not in said

"""Pages that are done word for word: their blocks, and where they are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.workflow.project import REPOSITORY

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

THREADS = "set-threads: {answer: 4, pilot_job: 4, repeat: 4}"


def page(name: str) -> str:
    """A page of docs/."""
    return (REPOSITORY / "docs" / name).read_text()


def blocks(clone: Path, example: str) -> list[str]:
    """The commands that an example's README shows, a block each."""
    shown = (clone / "examples" / example / "README.md").read_text()
    return [text for language, text in BLOCK.findall(shown) if language == "bash"]


def copied(folder: Path, *unused: str) -> Path:
    """The repository as a clone has it, without what the page does not use.

    The model is given one thread: those of one so small wait for each other.
    """
    left_out = (".*", "tests", "benchmarks", "results", "build", "study", "work", *unused)
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(*left_out))
    profile = folder / "profiles" / "local" / "profile.yaml"
    assert THREADS in profile.read_text()
    profile.write_text(profile.read_text().replace(THREADS, THREADS.replace("4", "1")))
    return folder


def run(commands: str, folder: Path) -> str:
    """Their output, of which none may fail."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=os.environ | {"PATH": programs, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    return done.stdout

"""docs/tutorial.md, done word for word: the files it shows and the commands it gives."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.workflow.project import REPOSITORY, job_table

PAGE = (REPOSITORY / "docs" / "tutorial.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`(study/[\w./]+)`[^`]*$")
"""A file's block follows the paragraph in which its path stands last."""
SAME = re.compile(r"^(?:Nothing to be done|\(\d+, ).*", re.MULTILINE)
"""Lines of shown output that fewer notes do not change: the two failures, for one."""
FEWER = {"draw(198, seed=11)": "draw(3, seed=11)", "    shards: 2\n": "    shards: 1\n"}


def test_the_tutorial_does_what_it_shows(tmp_path: Path) -> None:
    """On fewer notes. Plans that the page shows have the rules that come."""
    page = PAGE
    for words, fewer in FEWER.items():
        assert words in page
        page = page.replace(words, fewer)
    clone = copied(tmp_path / "clone")
    output = ""
    plans = 0
    for number, block in enumerate(BLOCK.finditer(page)):
        language, text = block.groups()
        named = NAMED.search(page[: block.start()].rstrip())
        if language == "text":
            if shown := job_table(text):
                assert job_table(output).keys() == shown.keys(), output
                plans += 1
            for line in SAME.findall(text):
                assert line in output
        elif language == "bash":
            if number:  # the first one installs what runs this test
                output = run(text, clone)
        else:
            assert named, f"no file is named for this block:\n{text}"
            (clone / named[1]).write_text(text)
    assert plans >= 3
    summary = run("python -m notemill summary -d study", clone)
    assert re.search(r"answered +│ +3 ", summary), summary
    assert "5 of 5" in summary


def copied(folder: Path) -> Path:
    """The repository as a clone has it, without what the page does not use."""
    unused = (".*", "tests", "demo", "benchmarks", "results", "build", "study")
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(*unused))
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

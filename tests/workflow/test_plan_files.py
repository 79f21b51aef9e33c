"""A cohort of files through the whole workflow, and what a plan says when they change."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.workflow.conftest import NOTES
from tests.workflow.plans import refusal
from tests.workflow.project import Project
from tests.workflow.test_run import rows


def test_chat_messages_are_answered_each_once_and_their_files_are_held_to(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(pilot={"notes": 0})
    texts = [text for _, _, text in NOTES if text and text.strip()]
    files = _chat(project.folder / "notes", texts)
    project.config["cohorts"]["small"] = {"files": "notes/*.jsonl", "shards": 2}
    project.write_config()
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    there = [
        *rows(project, "SELECT file, line FROM PNA_Results"),
        *rows(project, "SELECT file, line FROM PNA_Results_failures"),
    ]
    half = len(texts) // 2
    assert sorted(there) == sorted(
        [(path.name, line) for path, count in zip(files, (half, len(texts) - half), strict=True)
         for line in range(1, count + 1)]
    )  # fmt: skip
    ((source,),) = set(rows(project, "SELECT cohort_query FROM notemill_experiments"))
    assert "  a.jsonl\n" in source

    os.utime(files[0], (1, 1))  # of the same size: told by the plan, compared by the next run
    told = project.snakemake("-n")
    assert told.returncode == 0, told.stdout
    assert "a.jsonl: the size is what it was" in told.stdout
    assert "Nothing to be done" in told.stdout

    content = files[0].read_text()
    files[0].write_text(content.swapcase().replace("ROLE", "role").replace("USER", "user"))
    for path in (project.results / "loads").rglob("*.json"):
        path.unlink()
    done = project.snakemake()
    assert done.returncode != 0
    assert "a.jsonl, now: sha256" in done.stdout
    assert "Traceback" not in done.stdout
    assert not [*(project.results / "loads").rglob("*.json")]  # no job began

    files[0].write_text(content + "\n")
    told_by_plan = refusal(project)
    assert "a.jsonl, read: " in told_by_plan
    assert "another name" in told_by_plan


def _chat(folder: Path, texts: list[str]) -> list[Path]:
    """The texts as chat messages in two files."""
    folder.mkdir()
    half = len(texts) // 2
    paths = []
    for name, some in (("a", texts[:half]), ("b", texts[half:])):
        lines = [json.dumps({"role": "user", "content": text}) for text in some]
        paths.append(folder / f"{name}.jsonl")
        paths[-1].write_text("\n".join(lines) + "\n")
    return paths

"""notemill purge: a finished cohort's texts go, and what was proven stays."""

from __future__ import annotations

import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from notemill.__main__ import main
from notemill.audit.readings import Reading, Readings, read_readings
from notemill.locks import LockedFile
from tests.workflow.conftest import NOTES
from tests.workflow.plans import EVERYTHING, answer_shards, grow, refusal, stop_the_engine
from tests.workflow.project import REPOSITORY, Project
from tests.workflow.test_run import rows

TEXTS = [text for _, _, text in NOTES if text and text.strip()]
KILLED = """
import os, signal, sys
from notemill.purge import texts
written, there = texts.write_without_texts, []
def write(path):
    if there:
        os.kill(os.getpid(), signal.SIGKILL)
    there.append(path)
    written(path)
texts.write_without_texts = write
from notemill.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
Purge = Callable[..., str]


@pytest.fixture(autouse=True)
def _back_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands go into the project's folder."""
    monkeypatch.chdir(REPOSITORY)


@pytest.fixture
def purge(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command in a project's folder: what it prints; status: its exit status."""

    def run(project: Project, *arguments: str, status: int = 0) -> str:
        monkeypatch.chdir(project.folder)
        capsys.readouterr()
        done = main(["purge", "small", "--configfile", "config.yaml", *arguments])
        printed = "".join(capsys.readouterr())
        assert done == status, printed
        assert not any(text in printed for text in TEXTS)
        return printed

    return run


def command(project: Project, *arguments: str) -> int:
    file = str(project.folder / "config.yaml")
    return main([*arguments, "-d", str(project.folder), "--configfile", file])


def holding(project: Project) -> set[str]:
    """Files below the results folder in which a note's text stands, whatever their form."""
    return {
        str(path.relative_to(project.results))
        for path in project.results.rglob("*")
        if path.is_file() and any(text in _told(path) for text in TEXTS)
    }


def _told(path: Path) -> str:
    if path.suffix == ".parquet":
        return str(pq.read_table(path).to_pylist())
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as book:
            return "".join(book.read(name).decode(errors="replace") for name in book.namelist())
    return path.read_bytes().decode(errors="replace").replace("\\n", "\n")


def notes(project: Project) -> list[dict[str, Any]]:
    """All rows of the notes shards, without their texts and with their lengths."""
    found = []
    for path in sorted((project.results / "cohorts").rglob("*.parquet")):
        table = pq.read_table(path)
        for row in table.to_pylist():
            if "text" in row:
                text = row.pop("text")
                row["notemill_characters"] = None if text is None else len(text)
            found.append(row)
    return found


def leave_texts_everywhere(project: Project) -> None:
    """All that a user and killed jobs may leave of a cohort's texts."""
    assert command(project, "look", "small", "pneumonia", "--shard", "0000") == 0
    experiment = answer_shards(project)[0].parents[1].name
    cut = project.results / "cohorts/small/cut-0003"
    for place in (
        f"logs/answer/small/{experiment}/cut-0003/0000.engine.2.log",
        f"logs/pilot/small/{experiment}.engine.log",
        f"answers/small/{experiment}/cut-0003/0000.journal.rejected.jsonl",
        "cohorts/small/.aside/0001.parquet.1.spool",
        f"{cut.relative_to(project.results)}/notes/.0001.parquet.node.7.partial",
        "cohorts/small/cut-0002/notes/0000.left",
    ):
        path = project.results / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEXTS[0])


def test_no_text_stays_and_nothing_is_asked_again(finished: Project, purge: Purge) -> None:
    leave_texts_everywhere(finished)
    before, ids, held = rows(finished, EVERYTHING), notes(finished), holding(finished)
    assert len(held) >= 9
    shown = purge(finished, "--dry-run")
    assert "notes shards: the texts" in shown
    assert "deleted, not overwritten" in shown
    assert holding(finished) == held
    assert "add --yes, or run it in a terminal" in purge(finished, status=1)
    assert holding(finished) == held

    assert "no new experiment" in purge(finished, "--yes")
    assert holding(finished) == set()
    assert notes(finished) == ids
    record = json.loads((finished.results / "cohorts/small/purged.json").read_text())
    (once,) = record["purges"]
    assert once["finished_at"]
    assert sum(kind["files"] for kind in once["removed"]) >= len(held)
    assert "Nothing below the results folder" in purge(finished, "--yes")

    # A plan has nothing to do, and a load can be made again.
    stop_the_engine(finished)
    assert finished.planned() == {}
    next((finished.results / "loads").rglob("pneumonia-*.json")).unlink()
    done = finished.snakemake("--retries", "0")
    assert done.returncode == 0, done.stdout
    same = [row[:-1] for row in rows(finished, EVERYTHING)]
    assert same == [row[:-1] for row in before]
    # A result shard that is lost too would have its evidence looked for in the texts.
    answer_shards(finished)[1].unlink()
    failed = finished.snakemake("--retries", "0")
    assert failed.returncode != 0
    assert "no texts any more: its cohort was purged" in failed.stdout


def test_what_needs_the_texts_is_refused_once_until_they_are_read_again(
    finished: Project, purge: Purge
) -> None:
    purge(finished, "--yes")
    asked = finished.config["experiments"]
    asked["second"] = {
        **asked["pneumonia"],
        "options": {**asked["pneumonia"]["options"], "seed": 5},
    }
    finished.config["cohorts"]["small"]["shards"] = 2
    finished.write_config()
    told = refusal(finished)
    assert "second-" in told
    assert "would have to ask it" in told
    assert "from 3 into 2 shards" in told
    assert "`--forcerun extract`" in told
    assert command(finished, "look", "small", "pneumonia", "--shard", "0000") == 1

    assert "`--forcerun extract`" in purge(finished, "--undo")
    assert "are not purged" in purge(finished, "--undo")
    # A source that is another by now brings nothing back, and takes nothing.
    grow(finished)
    done = finished.snakemake("--forcerun", "extract", "--retries", "0")
    assert done.returncode != 0
    assert "not the same" in done.stdout
    assert holding(finished) == set()
    with closing(sqlite3.connect(finished.folder / "notes.sqlite")) as database, database:
        database.execute("DELETE FROM notes WHERE accession = 'A10'")
    done = finished.snakemake("--forcerun", "extract")
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}
    assert len(holding(finished)) == 3  # two shards, and the new pilot's page
    # And once more, under the other number of shards.
    purge(finished, "--yes")
    assert holding(finished) == set()
    record = json.loads((finished.results / "cohorts/small/purged.json").read_text())
    assert [bool(each["read_again_at"]) for each in record["purges"]] == [True, False]
    assert finished.planned() == {}


def test_sheets_go_when_readers_are_done_and_what_they_said_stays(
    finished: Project, purge: Purge
) -> None:
    drawn = ["small", "pneumonia", "--readers", "ana", "--texts", "5", "--seed", "1"]
    assert command(finished, "audit", "draw", *drawn) == 0
    (folder,) = (finished.results / "audits/small").glob("*/*")
    assert len([place for place in holding(finished) if "/sheets/" in place]) == 3
    assert "audit 'audit' of pneumonia-" in purge(finished, "--yes", status=1)
    key = json.loads((folder / "key.json").read_text())
    said = {"answers": {"a": "x"}, "comments": {"a": TEXTS[0]}}
    reading = Reading.model_validate({**said, "sheet_sha256": "0", "taken_at": "now"})
    Readings(readers={"ana": reading}).write(folder / "readings.json")
    (folder / "estimate.json").write_text("{}")  # it is only looked for
    shutil.copy(folder / "sheets" / "ana.xlsx", folder / "adjudication.xlsx")
    assert "audits: the sheets" in purge(finished, "--yes")
    assert holding(finished) == set()
    assert json.loads((folder / "key.json").read_text()) == key
    assert (folder / "design.json").exists()
    kept = read_readings(folder / "readings.json").readers["ana"]
    assert (kept.answers, kept.comments) == ({"a": "x"}, {})


def test_a_killed_purge_is_gone_on_with(finished: Project, purge: Purge) -> None:
    held = holding(finished)
    arguments = ["purge", "small", "--configfile", "config.yaml", "--yes"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments],
        cwd=finished.folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    assert killed.returncode == -9
    assert 0 < len(holding(finished)) < len(held)
    asked = finished.config["experiments"]
    asked["second"] = {
        **asked["pneumonia"],
        "options": {**asked["pneumonia"]["options"], "seed": 5},
    }
    finished.write_config()
    assert "would have to ask it" in refusal(finished)
    purge(finished, "--yes")
    assert holding(finished) == set()


def test_an_unfinished_cohort_keeps_its_texts(finished: Project, purge: Purge) -> None:
    held = holding(finished)
    lost = answer_shards(finished)[1]
    lost.rename(lost.with_suffix(".away"))
    told = purge(finished, "--yes", status=1)
    assert "lacks 1 of 3 shards (0001)" in told
    lost.with_suffix(".away").rename(lost)
    asked = finished.config["experiments"]
    asked["second"] = {
        **asked["pneumonia"],
        "options": {**asked["pneumonia"]["options"], "seed": 5},
    }
    finished.write_config()
    told = purge(finished, "--yes", status=1)
    assert "second-" in told
    assert "is not loaded" in told
    del asked["second"]
    finished.write_config()
    with closing(LockedFile(lost.with_suffix(".journal.jsonl"))):
        assert "another job is" in purge(finished, "--yes", status=1)
    assert "no cohort 'smal' was read" in _other_cohort(finished)
    begun = finished.results / "answers/small/colleagues-0123456789ab/cut-0003"
    begun.mkdir(parents=True)
    notebooks = finished.results / "logs/session/pneumonia-0.1.engine.log"
    notebooks.parent.mkdir(parents=True)
    notebooks.touch()
    told = purge(finished, "--dry-run")
    assert "engines may write there: 1 logs" in told
    assert "not of this configuration" in told
    assert "colleagues-0123456789ab." in told
    assert holding(finished) == held
    assert not (finished.results / "cohorts/small/purged.json").exists()


def _other_cohort(project: Project) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "notemill", "purge", "smal", "--configfile", "config.yaml"],
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize(("said", "goes"), [("yes", False), ("", False), ("small", True)])
def test_at_a_terminal_the_cohorts_name_is_the_yes(
    finished: Project, said: str, goes: bool
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{said}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "notemill", "purge", "small", "--configfile", "config.yaml"],
        cwd=finished.folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == (0 if goes else 1), done.stdout + done.stderr
    assert (holding(finished) == set()) is goes

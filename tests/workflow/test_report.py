"""The rule `report`: the page, the data and the crate of a run that is whole, made anew with it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from tests.workflow.conftest import NOTES
from tests.workflow.project import Project


def _later(path: Path) -> None:
    """As if a rule had written it now."""
    path.touch()
    os.utime(path, (time.time() + 5, time.time() + 5))


def test_a_run_is_reported_and_again_when_it_changed(finished: Project) -> None:
    done = finished.snakemake("report")
    assert done.returncode == 0, done.stdout
    folder = finished.results / "report"
    report = json.loads((folder / "report.json").read_text())
    assert report["done"] and report["experiments"][0]["name"] == "pneumonia"
    (answered,) = report["answers"]
    assert answered["loaded"] and answered["shards_done"] == 3
    pages = [path.read_text() for path in sorted(folder.iterdir()) if path.is_file()]
    assert len(pages) == 3
    assert not [
        text for _, _, text in NOTES if text and text.strip() and any(text in p for p in pages)
    ]
    assert finished.planned("--", "report") == {}

    (load,) = (finished.results / "loads").rglob("*.json")
    _later(load)
    assert finished.planned("--", "report") == {"report": 1}


def test_a_run_that_is_not_there_is_made_before_its_report(finished: Project) -> None:
    (load,) = (finished.results / "loads").rglob("*.json")
    load.unlink()
    assert finished.planned("--", "report") == {"load": 1, "report": 1}
    assert finished.planned() == {"all": 1, "load": 1}  # the report is asked for by name

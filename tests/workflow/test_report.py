"""The rule `report`: the page, the data and the crate of a run that is whole, made anew with it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.workflow.conftest import NOTES
from tests.workflow.project import Project


def _again(load: Path) -> None:
    """As if it had been loaded again, by a slower database."""
    values = json.loads(load.read_text())
    load.write_text(json.dumps(values | {"load_seconds": values["load_seconds"] + 1}))


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
    _again(load)
    assert finished.planned("--", "report") == {"report": 1}
    finished.config["report"] = {"smallest_cell": 0}
    finished.write_config()
    assert finished.snakemake("report").returncode == 0
    report = json.loads((folder / "report.json").read_text())
    assert report["cohorts"][0]["null"] == {"low": 1, "high": 1}


def test_a_run_that_is_not_there_is_made_before_its_report(finished: Project) -> None:
    (load,) = (finished.results / "loads").rglob("*.json")
    load.unlink()
    assert finished.planned("--", "report") == {"load": 1, "report": 1}
    assert finished.planned() == {"all": 1, "load": 1}  # the report is asked for by name

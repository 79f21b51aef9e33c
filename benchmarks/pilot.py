"""A pilot's estimate against the truth: some texts first, then the whole cohort, here and now.

    python -m benchmarks.pilot [NOTES.csv.gz --id note_id --text transcription --longest 2000] \
        [--count 1000] [--shards 4] [--pilot 64] [--slots auto] \
        [--ollama PATH --models STORE --model NAME --context 8192]

By default on synthetic notes with the shipped model, one job at a time. Prints what the pilot
predicted for the texts that it left, the 95 % range, the jobs' true seconds, and the ratio. What
Snakemake adds to each job is in the estimate, and no job can measure it: it is left out of both.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from models.notes import draw
from notemill.answers.shard import read_origin
from notemill.config import read_config
from notemill.pilot.estimate import SNAKEMAKE_S, CantTell
from notemill.pilot.report import PilotReport, report_pilots
from notemill.pilot.table import pilot_console, print_pilot
from notemill.plan.runs import plan_runs
from tests.workflow.project import REPOSITORY, Project


def main() -> None:
    options = _options()
    os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="notemill-pilot-") as folder:
        place = Path(folder)
        _fill(place / "notes.sqlite", options)
        project = Project(place / "project", _config(place, options))
        _run(project, "pilot")
        report = _report(project)
        print_pilot(report, pilot_console())
        if isinstance(report.estimate, CantTell):
            sys.exit(1)
        load = os.getloadavg()[0]
        started = time.monotonic()
        _run(project, "answers")
        wall_s = time.monotonic() - started
        origins = [
            read_origin(path)
            for path in sorted(project.results.rglob("[0-9]*.parquet"))
            if path.parent.name != "notes"
        ]
        # What the pilot spent is in its shard's metadata too, and was spent before.
        true_s = sum(origin.seconds for origin in origins) - report.record.seconds
        jobs = report.estimate.jobs
        expected, low, high = (
            3600 * hours - jobs * SNAKEMAKE_S for hours in report.estimate.left_hours
        )
        texts = report.estimate.texts_left
        print(f"{texts} texts in {jobs} jobs, {_failed(origins)} failed; load {load:.1f} before,")
        print(f"{os.getloadavg()[0]:.1f} after; wall {wall_s:.0f} s")
        where = "in" if low <= true_s <= high else "out of"
        print(f"predicted {expected:.1f} s, 95 % {low:.1f} to {high:.1f} s")
        print(f"true      {true_s:.1f} s")
        print(f"ratio     {expected / true_s:.3f}, {where} the range")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notes", type=Path, nargs="?")
    parser.add_argument("--id", default="note_id")
    parser.add_argument("--text", default="text")
    parser.add_argument("--longest", type=int, default=1 << 24, help="characters of a note taken")
    parser.add_argument("--count", type=int, default=1000, help="notes")
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--pilot", type=int, default=64, help="pilot.notes")
    parser.add_argument("--slots", type=lambda slots: slots if slots == "auto" else int(slots))
    parser.add_argument("--minutes", type=float, default=10, help="pilot.sweep_minutes")
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--predict", type=int, default=200)
    parser.add_argument("--ollama", type=Path)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--model", default="notemill-tiny")
    parser.set_defaults(slots=2)
    return parser.parse_args()


def _fill(file: Path, options: argparse.Namespace) -> None:
    if options.notes:
        notes = pd.read_csv(options.notes)[[options.id, options.text]].dropna()
        notes.columns = pd.Index(["id", "note"])
        notes = notes[notes["note"].str.len() <= options.longest].head(options.count)
    else:
        texts = [note.text for note in draw(options.count, seed=7)]
        notes = pd.DataFrame({"id": range(len(texts)), "note": texts})
    engine = sa.create_engine(f"sqlite:///{file}")
    notes.to_sql("notes", engine, index=False)
    engine.dispose()


def _config(place: Path, options: argparse.Namespace) -> dict[str, Any]:
    engine: dict[str, Any] = {"slots": options.slots, "gpu": "off"}
    if options.ollama:
        engine |= {
            "kind": "ollama",
            "command": [str(options.ollama)],
            "models": str(options.models.absolute()),
            "runner_options": {"num_thread": 1},
            "flash_attention": False,
        }
    else:
        engine |= {
            "kind": "llamacpp",
            "weights": str(REPOSITORY / "models" / "notemill-tiny.gguf"),
        }
    return {
        "results": str(place / "project" / "results"),
        "tasks": str(REPOSITORY / "config" / "tasks"),
        "database": {"url": f"sqlite:///{place}/notes.sqlite"},
        "cohorts": {
            "all_notes": {
                "query": "SELECT id, note FROM notes",
                "id_columns": ["id"],
                "text_column": "note",
                "shards": options.shards,
            }
        },
        "engines": {"engine": engine},
        "experiments": {
            "pneumonia": {
                "task": "pneumonia",
                "engine": "engine",
                "model": options.model,
                "options": {"num_ctx": options.context, "num_predict": options.predict},
                "pilot": {"notes": options.pilot, "sweep_minutes": options.minutes},
                "max_failed_share": 1,
                "results_table": "PNA_Results",
            }
        },
    }


def _run(project: Project, target: str) -> None:
    done: subprocess.CompletedProcess[str] = project.snakemake(
        target, "--set-threads", "answer=1", "pilot_job=1", timeout=7200
    )
    if done.returncode:
        print(done.stdout[-6000:])
        sys.exit("the run failed")


def _report(project: Project) -> PilotReport:
    config = read_config(project.config)
    (report,) = report_pilots(config, plan_runs(config), list(config.cohorts))
    assert isinstance(report, PilotReport)
    return report


def _failed(origins: list[Any]) -> int:
    return sum(origin.failed for origin in origins)


if __name__ == "__main__":
    main()

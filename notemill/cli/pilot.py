"""`notemill pilot`: what the pilots measured, what a cohort will cost, what to set otherwise."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from notemill.cli.given import Command, Given
from notemill.config import Config
from notemill.errors import NotemillError
from notemill.pilot.report import NoPilot, PilotReport, report_pilots
from notemill.pilot.table import pilot_console, print_pilots
from notemill.plan.runs import plan_runs
from notemill.tasks.run import Run


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cohort", nargs="?", help="only this cohort's")
    parser.add_argument("experiment", nargs="?", help="and only this experiment's")
    parser.add_argument(
        "--gpus", type=int, help="GPUs at once; by default as many as the pilot's profile takes"
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def _pilot(given: Given) -> int:
    options = given.arguments
    if options.gpus is not None and options.gpus < 1:
        raise NotemillError(
            f"{options.gpus} GPUs can't answer", where="--gpus", remedy="give 1 or more"
        )
    config = given.config
    runs = plan_runs(config)
    reports = list(
        report_pilots(
            config,
            _asked_for(runs, options.experiment),
            _cohorts(config, options.cohort),
            gpus=options.gpus,
        )
    )
    if not reports:
        who = (
            f"experiment '{options.experiment}' does not ask"
            if options.experiment
            else ("no experiment asks")
        )
        raise NotemillError(
            f"{who} cohort '{options.cohort}'",
            where="`cohorts` of the experiments",
            remedy="name another cohort, or add this one to an experiment's `cohorts`",
        )
    if options.json:
        print(json.dumps([_plain(report) for report in reports], indent=2))
    else:
        print_pilots(reports, pilot_console())
    return 0


def _cohorts(config: Config, named: str | None) -> list[str]:
    if named is None:
        return list(config.cohorts)
    if named not in config.cohorts:
        raise NotemillError(
            f"there is no cohort '{named}'",
            where="cohorts of the configuration",
            remedy=f"name one of these: {', '.join(config.cohorts)}",
        )
    return [named]


def _asked_for(runs: list[Run], named: str | None) -> list[Run]:
    found = [run for run in runs if named in (None, run.name, run.experiment_id)]
    if not found:
        raise NotemillError(
            f"there is no experiment '{named}'",
            where="experiments of the configuration",
            remedy=f"name one of these: {', '.join(run.name for run in runs)}",
        )
    return found


def _plain(report: PilotReport | NoPilot) -> dict[str, Any]:
    if isinstance(report, NoPilot):
        why = {"experiment": report.run.experiment_id, "cohort": report.cohort}
        return why | {"no_pilot": report.why}
    return {
        "experiment": report.record.experiment,
        "cohort": report.record.cohort,
        "record": report.record.model_dump(mode="json"),
        "estimate": asdict(report.estimate),
        "advised": asdict(report.advised),
        "advice": [asdict(advice) for advice in report.advice],
        "page": report.page and str(report.page),
    }


COMMAND = Command(_pilot, _arguments)

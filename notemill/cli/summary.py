"""What a run came to, as a table: from the reports that the loads left."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from notemill.cli.given import Command, Given
from notemill.config import Config
from notemill.files import read_json
from notemill.load.report import LoadReport
from notemill.paths import Layout
from notemill.plan.runs import plan_runs

_GATE = {"not_relevant": "not relevant", "cut": "cut", "whole": "whole"}
"""What a rule of the gate did with notes."""


def read_reports(config: Config) -> list[LoadReport]:
    """Reports of the configuration's loads that have ended, in its order."""
    layout = Layout(config.results)
    paths = [
        layout.load(cohort, run.experiment_id)
        for run in plan_runs(config)
        for cohort in run.cohorts
    ]
    return [_read(path) for path in paths if path.exists()]


def print_summary(config: Config, console: Console) -> None:
    """Print a table for each load, or say that there is none yet."""
    reports = read_reports(config)
    if not reports:
        console.print(f"Nothing is loaded yet below {config.results}.")
    for report in reports:
        console.print(_table(report))


def _table(report: LoadReport) -> Table:
    table = Table(title=f"{report.experiment} over {report.cohort}", show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_row("notes", str(report.notes))
    table.add_row("distinct texts", str(report.texts))
    table.add_row("answered", str(report.answered))
    for status, count in sorted(report.failed_by_status.items()):
        table.add_row(f"failed: {status}", str(count))
    if report.nul:
        table.add_row("of them, answers with a NUL character", str(report.nul))
    if not report.failed:
        table.add_row("failed", "0")
    if report.gate is not None:
        table.add_row("not relevant", str(report.not_relevant))
    table.add_row("blank", str(report.blank))
    for rule, did in (report.gate or {}).items():
        told = ", ".join(f"{count} {_GATE[what]}" for what, count in did.items() if count)
        table.add_row(f"gate: {rule}", told)
    for grade, count in (report.evidence or {}).items():
        share = f" ({count / report.answered:.1%})" if report.answered else ""
        table.add_row(f"evidence: {grade}", f"{count}{share}")
    table.add_row("texts asked", str(report.asked))
    table.add_row("texts/s of one job", f"{report.asked / max(report.job_seconds, 0.1):.2f}")
    if report.results_table:
        table.add_row("results", f"table {report.results_table}")
        table.add_row("failures", f"table {report.failures_table}")
    for output in report.outputs:
        order = "" if output.in_order else ", in the order of the ids"
        table.add_row("rows", f"file {output.path}{order}")
    accounted = report.answered + report.failed + report.not_relevant + report.blank
    table.add_row("accounted for", f"{accounted} of {report.notes}")
    table.add_row("values read back and equal", str(report.values_compared))
    if report.removed:
        table.add_row("rows removed", str(report.removed))
    return table


def _read(path: Path) -> LoadReport:
    return read_json(
        LoadReport,
        path,
        problem="this is no load report",
        remedy="delete it and run again: the load is repeated and leaves the same rows",
    )


def _summary(given: Given) -> int:
    print_summary(given.config, Console())
    return 0


COMMAND = Command(_summary)

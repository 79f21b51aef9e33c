"""The report's files: the page, report.json and the crate, each private and whole."""

from __future__ import annotations

from pathlib import Path

from notemill.files import write_text
from notemill.report.crate import NAME, crate
from notemill.report.page import write_page
from notemill.report.record import Report

JSON = "report.json"


def write_report(path: Path, report: Report) -> None:
    """Write the page to `path`, and the others beside it; the page last."""
    report.write(path.with_name(JSON))
    write_text(path.with_name(NAME), crate(report, path.name))
    write_page(path, report)

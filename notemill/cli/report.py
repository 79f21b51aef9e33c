"""`notemill report`: what the run came to, as one page and one record."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from notemill.cli.given import Command, Given
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from notemill.report.gather import gather
from notemill.report.write import write_report


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=_page, metavar="FILE.html", help="by default results/report/report.html"
    )


def _page(word: str) -> Path:
    """Another name is likely a file of somebody's, which the page would replace."""
    path = Path(word)
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        raise argparse.ArgumentTypeError("a file whose name ends in .html")
    return path


def _report(given: Given) -> int:
    out = given.arguments.out and given.arguments.out.absolute()  # --directory leads elsewhere
    config = given.config
    report = gather(config, plan_runs(config))
    path = out or Layout(config.results).report.absolute()
    write_report(path, report)
    print(path)
    for what in report.missing:
        print(f"it lacks {what}", file=sys.stderr)
    return 0


COMMAND = Command(_report, _arguments)
"""Makes it of what there is."""

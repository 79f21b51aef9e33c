"""`notemill check`: everything that can be known before a GPU is spent."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from notemill.check.database import database
from notemill.check.endpoints import proven_endpoints
from notemill.check.finding import Finding, Findings, exit_status
from notemill.check.planned import planned
from notemill.check.tables import frozen_ids, planned_tables
from notemill.cli.given import Command, Given
from notemill.errors import NotemillError

_STYLES = {"ok": "green", "warning": "yellow", "refusal": "bold red"}
_WIDTH = 9
"""Of the first column: the longest word and two blanks."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database", action="store_true", help="connect, look at queries, tables and rights"
    )
    parser.add_argument(
        "--cluster", action="store_true", help="ask Slurm about each stage, and a node by a job"
    )
    parser.add_argument(
        "--endpoints", action="store_true", help="prove each endpoint from here, as a job would"
    )
    parser.add_argument(
        "--profile", default="profiles/slurm", help="of --cluster; by default %(default)s"
    )
    parser.add_argument("--no-job", action="store_true", help="of --cluster: send no job to a node")
    parser.add_argument(
        "--wait",
        type=float,
        default=10,
        metavar="MINUTES",
        help="how long that job may be in the queue; by default %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="the findings as a list of objects")


def _check(given: Given) -> int:
    options = given.arguments
    findings = _found(given)
    if options.json:
        print(json.dumps([finding.model_dump() for finding in findings], indent=2))
    else:
        print_findings(findings, Console(highlight=False))
    return exit_status(findings)


def _found(given: Given) -> list[Finding]:
    options, started_in = given.arguments, Path.cwd()
    found = Findings("configuration")
    try:
        config = given.config
    except NotemillError as error:
        found.refused(error, "nothing else was looked at")
        return found
    runs, found = planned(config)
    ids = frozen_ids(config)
    if options.database:
        found += database(config, runs, ids)
    found += planned_tables(config, runs, ids)
    if options.endpoints:
        found += proven_endpoints(config, runs)
    if options.cluster:
        # Snakemake's plugins are a second's import.
        from notemill.check.cluster import Site, cluster  # noqa: PLC0415

        site = Site(started_in, Path.cwd(), given.config_path, options.profile)
        with _saying() as say:
            found += cluster(
                config, site, job=not options.no_job, wait_s=60 * options.wait, say=say
            )
    return found


@contextmanager
def _saying() -> Iterator[Callable[[str], None]]:
    """How a wait is told: in place on a terminal, else a line for each change."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield console.out
        return
    with console.status("asking Slurm") as status:
        yield status.update


def print_findings(findings: list[Finding], console: Console) -> None:
    """A line for each finding, under it what belongs to it, and a last line that counts.

    What wants something of the user comes last: it is what a terminal still shows.
    """
    findings = sorted(findings, key=lambda finding: list(_STYLES).index(finding.level))
    if console.is_terminal:
        grid = Table.grid(padding=(0, 2))
        for finding in findings:
            grid.add_row(Text(finding.level, _STYLES[finding.level]), Text(finding.what))
            for line in _beneath(finding):
                grid.add_row("", Padding(Text(line), (0, 0, 0, 2)))
        console.print(grid)
    else:
        for finding in findings:
            lines = "\n  ".join([finding.what, *_beneath(finding)]).splitlines()
            margin = "\n" + " " * _WIDTH
            console.out(f"{finding.level:{_WIDTH}}{margin.join(lines)}")
    counts = {level: sum(finding.level == level for finding in findings) for level in _STYLES}
    console.print(", ".join(_some(count, level) for level, count in counts.items()))


def _some(count: int, level: str) -> str:
    return f"{count} {level}{'' if count == 1 or level == 'ok' else 's'}"


def _beneath(finding: Finding) -> Iterator[str]:
    yield from finding.details
    if finding.where:
        yield f"where: {finding.where}"
    if finding.remedy:
        yield f"what to do: {finding.remedy}"


COMMAND = Command(_check, _arguments)

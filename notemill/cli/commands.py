"""The command `notemill`: what is not a job of the workflow."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from notemill.cli.check import CHECK
from notemill.cli.given import DEFAULT_CONFIG, Given
from notemill.cli.new import NEW
from notemill.cli.pilot import PILOT
from notemill.cli.summary import SUMMARY
from notemill.errors import NotemillError
from notemill.logs import debugging

_COMMANDS = (
    NEW,
    CHECK,
    PILOT,
    SUMMARY,
)


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    parser = argparse.ArgumentParser(prog="notemill", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in _COMMANDS:
        subparser = commands.add_parser(command.name, help=command.help)
        subparser.add_argument("--configfile", type=Path, help=f"by default {DEFAULT_CONFIG}")
        subparser.add_argument(
            "--directory", "-d", type=Path, help="the workflow's folder, as snakemake takes it"
        )
        command.arguments(subparser)
        subparser.set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(Given(options))
    except NotemillError as error:
        if debugging():
            raise
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status

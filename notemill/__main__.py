"""The command `notemill`: what is not a job of the workflow."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml
from rich.console import Console

from notemill.config import Config, read_config
from notemill.errors import NotemillError
from notemill.logs import debugging
from notemill.notes.frozen import check_cohorts
from notemill.plan import plan_runs
from notemill.summary import print_summary

_DEFAULT_CONFIG = Path("config/config.yaml")


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    parser = argparse.ArgumentParser(prog="notemill", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_text in (
        ("check", "check the configuration and its tasks, and say what would run"),
        ("summary", "what the finished loads came to"),
    ):
        command = commands.add_parser(name, help=help_text)
        command.add_argument("--configfile", type=Path, default=_DEFAULT_CONFIG)
    options = parser.parse_args(arguments)
    try:
        config = _config(options.configfile)
        (_check if options.command == "check" else _summary)(config)
    except NotemillError as error:
        if debugging():
            raise
        print(error, file=sys.stderr)
        return 1
    return 0


def _summary(config: Config) -> None:
    print_summary(config, Console())


def _check(config: Config) -> None:
    check_cohorts(config)
    for run in plan_runs(config):
        print(f"{run.experiment_id}: {run.experiment.model} over {', '.join(run.cohorts)}")


def _config(path: Path) -> Config:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotemillError(
            f"the configuration can't be read: {error.strerror}",
            where=str(path),
            remedy="name the file with --configfile",
        ) from None
    except yaml.YAMLError as error:
        raise NotemillError(
            f"the configuration is not YAML: {str(error).splitlines()[0]}",
            where=str(path),
            remedy="correct the line; indentation and colons are the usual reasons",
        ) from None
    return read_config(values, where=str(path))


if __name__ == "__main__":
    sys.exit(main())

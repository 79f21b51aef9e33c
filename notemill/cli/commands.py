"""The command `notemill`: what is not a job of the workflow."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import yaml
from rich.console import Console

from notemill.cli.summary import print_summary
from notemill.config import Config, read_config
from notemill.errors import NotemillError
from notemill.logs import debugging
from notemill.plan.runs import checked_plan

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
        command.add_argument("--configfile", type=Path, help=f"by default {_DEFAULT_CONFIG}")
        command.add_argument(
            "--directory", "-d", type=Path, help="the workflow's folder, as snakemake takes it"
        )
    options = parser.parse_args(arguments)
    try:
        config = _config(_entered(options.directory, options.configfile))
        (_check if options.command == "check" else _summary)(config)
    except NotemillError as error:
        if debugging():
            raise
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _summary(config: Config) -> None:
    print_summary(config, Console())


def _check(config: Config) -> None:
    for run in checked_plan(config):
        print(f"{run.experiment_id}: {run.experiment.model} over {', '.join(run.cohorts)}")
        for remark in run.remarks:
            print(f"  note: {remark}")


def _entered(directory: Path | None, configfile: Path | None) -> Path:
    """The configuration's path, after going into the folder, as snakemake has them: a named
    configuration is taken from here, the default one from there."""
    named = configfile.absolute() if configfile else None
    if directory:
        try:
            os.chdir(directory)
        except OSError as error:
            raise NotemillError(
                f"can't go into this folder: {error.strerror}",
                where=str(directory),
                remedy="correct --directory",
            ) from None
    return named or _DEFAULT_CONFIG.absolute()


def _config(path: Path) -> Config:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotemillError(
            f"the configuration can't be read: {error.strerror}",
            where=str(path),
            remedy="name the file with --configfile",
        ) from None
    except UnicodeDecodeError as error:
        raise NotemillError(
            f"the configuration is not UTF-8 text (byte {error.start + 1})",
            where=str(path),
            remedy="save the file as UTF-8",
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise NotemillError(
            f"the configuration is not YAML: {error.problem}",
            where=f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path),
            remedy="correct the line or the one before it; indentation, colons and brackets are "
            "the usual reasons",
        ) from None
    except yaml.YAMLError as error:
        raise NotemillError(
            f"the configuration is not YAML: {str(error).splitlines()[0]}",
            where=str(path),
            remedy="take out what is no printable text",
        ) from None
    return read_config(values, where=str(path))

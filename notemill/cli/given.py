"""What a command was given: its arguments, and the configuration that they name."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import yaml

from notemill.config import Config, read_config
from notemill.errors import NotemillError

DEFAULT_CONFIG = Path("config/config.yaml")


@dataclass(frozen=True)
class Given:
    """A command's arguments; the configuration is read when it is first asked for."""

    arguments: argparse.Namespace

    @cached_property
    def config(self) -> Config:
        """The configuration of --configfile and --directory. Raises NotemillError."""
        return _config(self.config_path)

    @cached_property
    def config_path(self) -> Path:
        """Where it is, there or not; the process is in --directory from then on."""
        return _entered(self.arguments.directory, self.arguments.configfile)


def _no_arguments(parser: argparse.ArgumentParser) -> None:
    """A command that takes none of its own."""


class Command(NamedTuple):
    """A subcommand. run: returns the exit status, raises NotemillError."""

    name: str
    help: str
    run: Callable[[Given], int]
    arguments: Callable[[argparse.ArgumentParser], None] = _no_arguments


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
    return named or DEFAULT_CONFIG.absolute()


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

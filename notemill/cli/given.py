"""What a command was given: its arguments, and the configuration that they name."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from notemill.config import Config
from notemill.config.file import read_config_file
from notemill.errors import NotemillError

DEFAULT_CONFIG = Path("config/config.yaml")


@dataclass(frozen=True)
class Given:
    """A command's arguments; the configuration is read when it is first asked for."""

    arguments: argparse.Namespace

    @cached_property
    def config(self) -> Config:
        """The configuration of --configfile and --directory. Raises NotemillError."""
        return read_config_file(self.config_path)

    @cached_property
    def config_path(self) -> Path:
        """Where it is, there or not; the process is in --directory from then on."""
        return _entered(self.arguments.directory, self.arguments.configfile)


def _no_arguments(parser: argparse.ArgumentParser) -> None:
    """A command that takes none of its own."""


class Command(NamedTuple):
    """A subcommand. run: returns the exit status, raises NotemillError."""

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

"""The configuration's file. Apart from the others: jobs get the values from Snakemake, not YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from notemill.config import Config, read_config
from notemill.errors import NotemillError


def read_config_file(path: Path) -> Config:
    """The checked configuration of a file. Raises NotemillError."""
    return read_config(yaml_values(path), where=str(path))


def yaml_values(path: Path) -> Any:
    """What the file's YAML holds, unchecked. Raises NotemillError where it is none."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotemillError(
            f"the configuration can't be read: {error.strerror}",
            where=str(path),
            remedy="go to the folder that has it, or name one: -d FOLDER, --configfile FILE; a "
            "Session has directory= and config=",
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

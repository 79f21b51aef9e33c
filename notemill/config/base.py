"""What every section of the configuration has in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationInfo


class Section(BaseModel):
    """Strict: a key that no one reads is an error, not a wish."""

    model_config = ConfigDict(extra="forbid", frozen=True)


NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,39}$"
SQL_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""Names that stand in paths, job names and tables: letters, digits and underscores."""

SqlName = Annotated[str, StringConstraints(pattern=SQL_NAME_PATTERN)]
"""A table or column name that needs no quoting."""


def _users(path: Path, info: ValidationInfo) -> Path:
    """Below the folder that the reader of the configuration named, if it did; see `read_config`."""
    path = path.expanduser()
    return info.context["directory"] / path if info.context else path


UserPath = Annotated[Path, AfterValidator(_users)]
"""A path in which ~ stands for the user's home."""

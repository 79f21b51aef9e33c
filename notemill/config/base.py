"""What every section of the configuration has in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints


class Section(BaseModel):
    """Strict: a key that no one reads is an error, not a wish."""

    model_config = ConfigDict(extra="forbid", frozen=True)


NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,39}$"
SQL_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""Names that stand in paths, job names and tables: letters, digits and underscores."""

SqlName = Annotated[str, StringConstraints(pattern=SQL_NAME_PATTERN)]
"""A table or column name that needs no quoting."""

UserPath = Annotated[Path, AfterValidator(Path.expanduser)]
"""A path in which ~ stands for the user's home."""

"""What every section of the configuration has in common."""

from __future__ import annotations

from collections.abc import Iterable
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
    folder = (info.context or {}).get("directory")
    return folder / path if folder else path


UserPath = Annotated[Path, AfterValidator(_users)]
"""A path in which ~ stands for the user's home."""


def alike_but_for_case(section: str, names: Iterable[str]) -> None:
    """Raise ValueError for two names that no file system need tell apart."""
    seen: dict[str, str] = {}
    for name in names:
        if other := seen.get(name.lower()):
            raise ValueError(
                f"{section}: names {name} twice"
                if name == other
                else f"{section}.{name}: differs from {other} in upper and lower case alone, which "
                "some file systems and databases do not tell apart; rename one"
            )
        seen[name.lower()] = name

"""What every section of the configuration has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class Section(BaseModel):
    """Strict: a key that no one reads is an error, not a wish."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=False)


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")]
"""Names that stand in paths, job names and tables: letters, digits and underscores."""

SqlName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
"""A table or column name that needs no quoting."""

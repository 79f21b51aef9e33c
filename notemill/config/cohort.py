"""`cohorts`: which notes to ask about."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from notemill.config.base import SQL_NAME_PATTERN, Section, SqlName, UserPath

MESSAGE = "content"
"""The text column of chat messages."""
FILE, LINE = "file", "line"
"""The id columns of notes that have none of their own: their file's name, their line's number."""

_WILD = re.compile(r"[*?\[]")
_PATTERNS_IN_YAML: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ]
}


def _listed(patterns: Any) -> Any:
    """One pattern is a list of one."""
    listed = [patterns] if isinstance(patterns, str) else patterns
    if isinstance(listed, list) and "" in listed:
        raise ValueError("a path is empty")
    return listed


def _by_line(given: dict[str, Any]) -> list[str]:
    """Of a file the line's number, of several the file's name too; it is checked below."""
    files = given.get("files") or []
    one = len(files) == 1 and not _WILD.search(str(files[0]))
    return [LINE] if one else [FILE, LINE]


class Cohort(Section):
    """A frozen snapshot of notes: a query or files, read once. New notes go into a new cohort."""

    query: str = Field(
        "",
        min_length=1,
        description="One SELECT that returns the id columns and the text column.",
    )
    files: (
        Annotated[list[UserPath], BeforeValidator(_listed), WithJsonSchema(_PATTERNS_IN_YAML)]
        | None
    ) = Field(
        None,
        description="In place of a query: Parquet, CSV or JSON lines, these two also in gzip or "
        "zstd. A path or a list of paths, with *, ? and ** as in a shell.",
    )
    id_columns: list[SqlName] = Field(
        default_factory=_by_line,
        min_length=1,
        description="The columns that together name one note, never NULL. Of JSON lines they may "
        "be left out: the line's number is the id then, with the file's name where `files` has a "
        "wildcard or is a list.",
    )
    text_column: Annotated[str, StringConstraints(min_length=1, max_length=255)] = Field(
        MESSAGE,
        description="The column with the note's text. Of JSON lines that are chat messages, "
        '{"role": "user", "content": ...}, it is left out.',
    )
    shards: int = Field(
        16,
        ge=1,
        le=9999,
        description="Number of shards, each a GPU job. Aim at 15 to 60 GPU minutes a shard and at "
        "2,000 shards at most. May be changed later: answers move with their texts.",
    )
    same_id_different_text: Literal["error", "first", "last"] = Field(
        "error",
        description="When one id comes with different texts: stop and list such ids in a file, or "
        "keep the first or the last row in the query's order (then give the query an ORDER BY).",
    )

    @property
    def numbered(self) -> bool:
        """Whether the line's number is the id."""
        return self.files is not None and "id_columns" not in self.model_fields_set

    @property
    def messages(self) -> bool:
        """Whether the lines are chat messages."""
        return self.files is not None and "text_column" not in self.model_fields_set

    @property
    def source_key(self) -> str:
        """The key that says where the notes come from: `query` or `files`."""
        return "query" if self.files is None else "files"

    @model_validator(mode="after")
    def _one_source(self) -> Cohort:
        if bool(self.query) == (self.files is not None):
            raise ValueError("name either `query` or `files`")
        if self.query:
            for key in ("id_columns", "text_column"):
                if key not in self.model_fields_set:
                    raise ValueError(f"{key} is missing")
            if not re.match(SQL_NAME_PATTERN, self.text_column):
                raise ValueError(
                    "text_column: use letters, digits and underscores, no digit first, 64 at most"
                )
        return self

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> Cohort:
        columns = [name.lower() for name in [*self.id_columns, self.text_column]]
        if len(set(columns)) != len(columns):
            raise ValueError("id_columns and text_column name one column twice")
        return self

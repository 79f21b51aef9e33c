"""`cohorts`: which notes to ask about."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from notemill.config.base import Section, SqlName


class Cohort(Section):
    """A frozen snapshot of notes: one query, read once. New notes go into a new cohort."""

    query: str = Field(
        min_length=1, description="One SELECT that returns the id columns and the text column."
    )
    id_columns: list[SqlName] = Field(
        min_length=1, description="The columns that together name one note, never NULL."
    )
    text_column: SqlName = Field(description="The column with the note's text.")
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

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> Cohort:
        columns = [name.lower() for name in [*self.id_columns, self.text_column]]
        if len(set(columns)) != len(columns):
            raise ValueError("id_columns and text_column name one column twice")
        return self

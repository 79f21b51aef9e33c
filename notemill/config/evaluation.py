"""`evaluations`: gold labels that answers are held against."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from notemill.config.base import Name, Section, UserPath
from notemill.config.tasks import RunName

NOTE_LENGTH = "note_length"
"""The subgroups that every evaluation has: thirds by the characters of the text."""

GoldColumn = Annotated[str, StringConstraints(min_length=1, max_length=255)]

_FIELDS_IN_YAML: dict[str, Any] = {
    "anyOf": [
        {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ]
}


def _by_name(fields: Any) -> Any:
    """A list of names stands for columns that are named as their fields."""
    return {name: name for name in fields} if isinstance(fields, list) else fields


class Evaluation(Section):
    """Gold labels for notes of one cohort: the right values of fields of the answer."""

    cohort: Name = Field(description="One of `cohorts`: the notes that the labels are of.")
    file: UserPath | None = Field(
        None,
        description="CSV (UTF-8) or Parquet with the cohort's id columns, by their names, and a "
        "column for each field.",
    )
    query: str | None = Field(
        None, min_length=1, description="One SELECT that returns such columns, in place of a file."
    )
    fields: Annotated[
        dict[str, GoldColumn], BeforeValidator(_by_name), WithJsonSchema(_FIELDS_IN_YAML)
    ] = Field(
        min_length=1,
        description="Fields of the answer, each with the gold's column; a list where the names are "
        "the same.",
    )
    experiments: list[RunName] | None = Field(
        None,
        min_length=1,
        description="Which to evaluate; empty: all over this cohort whose answers have the fields.",
    )
    patient: GoldColumn | None = Field(
        None,
        description="Column that says whose note it is: notes of one patient are not independent. "
        "Without it, notes of one text are taken as alike and all others as independent.",
    )
    split: GoldColumn | None = Field(
        None, description="Column with `development` or `test`; figures are those of `test`."
    )
    hold_back_test: bool = Field(
        False,
        description="With `split`: figures of `development` alone, so that the test labels stay "
        "unseen while the prompt changes.",
    )
    subgroups: list[GoldColumn] = Field(
        [],
        description="Columns whose values are measured apart, such as site or year. Thirds of the "
        "notes by length (note_length) always are.",
    )
    tolerance: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="For fields that are numbers: how far off an answer may be and count."
    )
    not_in_cohort: Literal["error", "leave_out"] = Field(
        "error",
        description="Gold of notes that the cohort does not have: refuse it, or leave it out and "
        "count it.",
    )
    seed: int = Field(1, ge=0, description="Of the draws that intervals are taken from.")

    @model_validator(mode="after")
    def _one_source(self) -> Evaluation:
        if (self.file is None) == (self.query is None):
            raise ValueError("name either `file` or `query`")
        return self

    @model_validator(mode="after")
    def _keys_fit(self) -> Evaluation:
        if self.hold_back_test and not self.split:
            raise ValueError("hold_back_test needs `split`, which says what the test notes are")
        if unknown := self.tolerance.keys() - self.fields.keys():
            raise ValueError(f"tolerance: {', '.join(sorted(unknown))} is none of `fields`")
        if len(set(self.subgroups)) < len(self.subgroups) or NOTE_LENGTH in self.subgroups:
            raise ValueError(f"subgroups names a column twice, or {NOTE_LENGTH}, which is built in")
        return self

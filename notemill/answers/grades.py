"""What evidence can be: how well the note has what an answer names as its ground."""

from __future__ import annotations

from enum import StrEnum


class Grade(StrEnum):
    """Of an answered note whose task names evidence; docs/evidence.md.

    The first three are finds. A near match shows a place and is none: "no evidence of pneumonia"
    and "evidence of pneumonia" are nearly the same.
    """

    EXACT = "exact"
    NORMALISED = "normalised"
    ELLIPSIS = "ellipsis"
    NEAR = "near"
    ABSENT = "absent"
    NOT_A_QUOTE = "not_a_quote"
    NONE = "none"


FOUND = (Grade.EXACT, Grade.NORMALISED, Grade.ELLIPSIS)

"""What evidence can be: how well the note has what an answer names as its ground."""

from __future__ import annotations

import json
from enum import StrEnum

from notemill.tasks.task import Task

GRADING = 1
"""Raise it when a grade comes to mean something else: result shards are then written again."""


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


def graded_by(task: Task) -> str:
    """What a result shard's grades come from, empty where the task names no evidence.

    No part of the fingerprint: where it alone changes, shards are written again, and nothing is
    asked.
    """
    if not task.evidence:
        return ""
    nothing = f", none: {json.dumps(task.evidence.nothing)}" if task.evidence.nothing else ""
    return f"evidence {task.evidence.field}, grading {GRADING}{nothing}"

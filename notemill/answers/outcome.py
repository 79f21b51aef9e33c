"""How a text ended: the one list of the columns that tell it.

A field of Outcome is a key of the journal's lines, and but for the answer a column of the result
shard and of the tables.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

Kind = Literal["word", "line", "text", "count", "seconds", "time"]
"""word: 32 characters at most; line: 1,024; count: 31 bits; time: UTC, ISO 8601."""


class _Column(typing.NamedTuple):
    kind: Kind
    of_failures: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a text ended, accepted or not; answer is None unless status is answered.

    prompt_tokens, answer_tokens: of the last attempt. seconds: wall time of all attempts.
    engine: name and version of what was asked. control_tokens: of the model, broken up in the text.
    A new field gets a default, which the lines of older journals have.
    """

    status: Annotated[str, _Column("word", of_failures=True)]
    answer: dict[str, Any] | None
    detail: Annotated[str, _Column("text", of_failures=True)]
    attempts: Annotated[int, _Column("count")]
    changes: Annotated[str, _Column("line")]
    prompt_tokens: Annotated[int, _Column("count")]
    answer_tokens: Annotated[int, _Column("count")]
    seconds: Annotated[float, _Column("seconds")]
    engine: Annotated[str, _Column("text")]
    answered_at: Annotated[str, _Column("time")]
    control_tokens: Annotated[int, _Column("count")] = 0

    def values(self) -> list[Any]:
        """What stands in OUTCOME_COLUMNS, in their order; times as datetime."""
        return [_typed(getattr(self, column.name), column.kind) for column in OUTCOME_COLUMNS]


@dataclass(frozen=True)
class OutcomeColumn:
    """A column of every note. of_failures: answered notes have none in their table."""

    name: str
    kind: Kind
    of_failures: bool


OUTCOME_COLUMNS = [
    OutcomeColumn(name, *hint.__metadata__[0])
    for name, hint in typing.get_type_hints(Outcome, include_extras=True).items()
    if hasattr(hint, "__metadata__")
]
"""All of an outcome but the answer, whose columns the task says (notemill.answers.columns)."""


def _typed(value: Any, kind: Kind) -> Any:
    return datetime.fromisoformat(value) if kind == "time" else value

"""By what a page's entries can be chosen: status, and each field of the answer with choices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from notemill.answers.choices import choices_of
from notemill.answers.outcome import Outcome
from notemill.look.words import shown

_NO_ANSWER = "(no answer)"
_MOST_UNNAMED = 20
"""Choices of a field that are offered though no answer has them."""
_MOST_GUESSED = 10
_LONGEST_GUESSED = 100


@dataclass(frozen=True)
class Filter:
    """One thing to choose by. choices: what to choose from, with how many entries have it."""

    name: str
    choices: list[tuple[str, int]]
    of_entries: list[int]
    """Of each entry the place of its choice among `choices`."""


def filters_of(
    outcomes: Sequence[Outcome],
    schema: dict[str, Any] | None,
    grades: Sequence[str | None] | None = None,
    rules: Sequence[str | None] | None = None,
) -> list[Filter]:
    """Status first, then the schema's fields with choices, in its order; last the grades of the
    evidence and the rules of the gate, where there are any.

    Without a schema a field is taken for one with choices if it has few values for many answers.
    """
    filters = [_filter("status", [outcome.status for outcome in outcomes], [])]
    answers = [outcome.answer for outcome in outcomes]
    fields = dict.fromkeys(field for answer in answers if answer for field in answer)
    for field in schema.get("properties", {}) if schema else fields:
        values = [answer[field] for answer in answers if answer and field in answer]
        choices = choices_of(schema, field) if schema else _guessed(values)
        if choices is not None:
            of_answers = [
                shown(answer[field]) if answer and field in answer else None for answer in answers
            ]
            named = [shown(value) for value in choices] if len(choices) <= _MOST_UNNAMED else []
            filters.append(_filter(field, of_answers, named))
    if grades is not None:
        filters.append(_filter("evidence", grades, []))
    if rules is not None:
        filters.append(_filter("gate", rules, [], without="(no rule)"))
    return filters


def _filter(
    name: str, values: Sequence[str | None], named: list[str], without: str = _NO_ANSWER
) -> Filter:
    """values: of each entry, None without an answer; named: the choices that are always offered."""
    counts = Counter(values)
    further = sorted(value for value in counts if value is not None and value not in named)
    choices = [*named, *further, *([None] if None in counts else [])]
    places = {choice: place for place, choice in enumerate(choices)}
    return Filter(
        name,
        [(without if choice is None else choice, counts[choice]) for choice in places],
        [places[value] for value in values],
    )


def _guessed(values: list[Any]) -> list[Any] | None:
    """No choice but those that occur, if they look like choices."""
    if any(isinstance(value, float | list | dict) for value in values):
        return None
    labels = set(map(shown, values))
    few = 0 < len(labels) <= min(_MOST_GUESSED, len(values) // 2)
    return [] if few and all(len(label) <= _LONGEST_GUESSED for label in labels) else None

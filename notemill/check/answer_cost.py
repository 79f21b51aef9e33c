"""What an answer costs in tokens: the JSON around it against what it says.

By the experiment's own answers where a journal has some, else by an answer as the schema suggests
it. No model's tokenizer is at hand, so how tokens are shared out is an estimate, and said to be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from notemill.answers.journal import accepted_so_far
from notemill.check.finding import Findings
from notemill.paths import Layout
from notemill.tasks.run import Run
from notemill.tasks.task import SCHEMA

_MOST_ANSWERS = 200
_QUOTE_CHARACTERS = 120
"""Of a text that the schema does not bound: some twenty words."""
_LONG_NAME = 4
"""Tokens of a field's name above which it is long."""
_WORTH_IT = 0.2
"""Share of an answer's tokens that shorter names must save before a warning is worth a line."""
_PIECE = re.compile(r"_?[^\W\d_]{1,8}|\d{1,3}|_|[^\w\s]{1,2}")
"""About a token of a large vocabulary: a word or a part of a long one, three digits, two signs."""


@dataclass(frozen=True)
class AnswerCost:
    """Tokens of an average answer.

    measured: answers that were counted by the engine, 0 for an estimate from the schema. skeleton:
    braces, quotation marks, commas and names; names: of the fields; saved: what names of one token
    would save; evidence: the quote, None where the task names none; long: fields with long names.
    """

    tokens: float
    measured: int
    skeleton: float
    saved: float
    evidence: float | None
    long: tuple[str, ...]


def answer_cost(run: Run, layout: Layout) -> AnswerCost:
    """The cost of a run's answers. Reads some hundred lines of its journals at most."""
    found = list(islice(_answers(run, layout), _MOST_ANSWERS))
    answers = [answer for answer, _ in found] or [_typical(run.task.json_schema)]
    estimated = fmean(_tokens(_text(answer)) for answer in answers)
    counted = fmean(tokens for _, tokens in found) if found else estimated
    scale = counted / estimated
    evidence = run.task.evidence
    quoted = evidence and not evidence.numbered
    return AnswerCost(
        tokens=counted,
        measured=len(found),
        skeleton=scale * fmean(_skeleton(answer) for answer in answers),
        saved=scale * fmean(sum(_tokens(n) - 1 for n in _names(a)) for a in answers),
        evidence=scale * fmean(_content(answer.get(evidence.field)) for answer in answers)
        if evidence and quoted
        else None,
        long=tuple(dict.fromkeys(n for a in answers for n in _names(a) if _tokens(n) > _LONG_NAME)),
    )


def told_cost(cost: AnswerCost) -> Iterator[str]:
    """Lines for the experiment's finding."""
    how = f"measured over {cost.measured}" if cost.measured else "estimated from the schema"
    yield (
        f"an answer: about {cost.tokens:.0f} tokens ({how}), of them about {cost.skeleton:.0f} for "
        f"names and JSON (estimated), {cost.tokens - cost.skeleton:.0f} for what it says"
    )
    if cost.evidence is not None:
        yield (
            f"its quote takes about {cost.evidence:.0f} tokens (estimated); a sentence's number "
            "would take about 2 (numbered_sentences, for three tokens more a sentence of the note)"
        )


def warn_of_cost(run: Run, cost: AnswerCost, found: Findings) -> None:
    """Warn of names that cost more than what they name."""
    more = cost.skeleton > cost.tokens - cost.skeleton and cost.saved > _WORTH_IT * cost.tokens
    if not (more or cost.long):
        return
    names = f"; long names: {', '.join(cost.long)}" if cost.long else ""
    found.warn(
        f"experiment {run.name}: of an answer's about {cost.tokens:.0f} tokens about "
        f"{cost.skeleton:.0f} are names and JSON{names}",
        where=f"class Answer in {run.task.folder / SCHEMA}",
        remedy=f"names of one short word would save about {cost.saved:.0f} tokens a note: say in "
        "system.md what each means. Changed names make a new experiment, so do it before the run; "
        "answer_prefix names the columns (docs/tokens.md)",
    )


def _answers(run: Run, layout: Layout) -> Iterator[tuple[dict[str, Any], int]]:
    """Accepted answers with the tokens that the engine counted."""
    for path in _journals(run, layout):
        for accepted in accepted_so_far(path):
            answer, tokens = accepted.outcome.answer, accepted.outcome.answer_tokens
            if accepted.key.experiment == run.experiment_id and answer and tokens:
                yield answer, tokens


def _journals(run: Run, layout: Layout) -> list[Path]:
    folders = (layout.answers_folder(cohort) / run.experiment_id for cohort in run.cohorts)
    return sorted(path for folder in folders for path in folder.glob("*/*.journal.jsonl"))


def _typical(schema: dict[str, Any]) -> dict[str, Any]:
    """An answer as the schema suggests it: middling choices, texts of some twenty words."""
    typical = _value(schema, schema.get("$defs", {}), depth=0)
    return typical if isinstance(typical, dict) else {}


def _value(part: dict[str, Any], definitions: dict[str, Any], depth: int) -> Any:
    if depth > 8:  # a class that holds itself
        return None
    if "$ref" in part:
        return _value(definitions[part["$ref"].rpartition("/")[2]], definitions, depth + 1)
    for several in ("anyOf", "oneOf", "allOf"):
        if options := [each for each in part.get(several, []) if each.get("type") != "null"]:
            return _value(options[0], definitions, depth + 1)
    if choices := part.get("enum") or ([part["const"]] if "const" in part else []):
        return sorted(choices, key=lambda choice: len(str(choice)))[len(choices) // 2]
    match part.get("type"):
        case "object":
            fields = part.get("properties", {})
            return {name: _value(each, definitions, depth + 1) for name, each in fields.items()}
        case "array":
            items = part.get("items", {})
            count = min(2, part.get("maxItems", 2))
            return [_value(items, definitions, depth + 1)] * count
        case "integer":
            return 12
        case "number":
            return 1.5
        case "boolean":
            return True
        case "string":
            length = min(_QUOTE_CHARACTERS, part.get("maxLength", _QUOTE_CHARACTERS))
            return ("words " * length)[:length].strip()
    return None


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _tokens(text: str) -> int:
    return sum(1 for _ in _PIECE.finditer(text))


def _content(value: Any) -> int:
    """Tokens of what is said, without names and JSON's signs."""
    if isinstance(value, dict):
        return sum(map(_content, value.values()))
    if isinstance(value, list):
        return sum(map(_content, value))
    return _tokens(value if isinstance(value, str) else _text(value))


def _skeleton(answer: dict[str, Any]) -> int:
    return max(_tokens(_text(answer)) - _content(answer), 0)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from _names(each)
    elif isinstance(value, list):
        for each in value:
            yield from _names(each)

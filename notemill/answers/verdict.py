"""When an answer counts, and what it is if not."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from notemill.answers.columns import fields_of, unstorable
from notemill.database.keys import INT64
from notemill.engines.protocol import End, Reply
from notemill.errors import NotemillError
from notemill.logs import Terminated


class Status(StrEnum):
    """How a note ended. Only `answered` has an answer; the others are data, never labels."""

    ANSWERED = "answered"
    TRUNCATED = "truncated"
    INVALID_JSON = "invalid_json"
    SCHEMA = "schema"
    TOO_LONG = "too_long"
    TIMEOUT = "timeout"
    SERVER_ERROR = "server_error"
    BLANK = "blank"
    NOT_RELEVANT = "not_relevant"


NOT_ASKED = (Status.BLANK, Status.NOT_RELEVANT)
"""Of notes that no model is asked about: they have no answer, and none failed."""
STATUSES = tuple(status.value for status in Status if status not in NOT_ASKED)
"""How a text that is asked may end."""


@dataclass(frozen=True)
class Verdict:
    """Whether a reply counts.

    answer: the validated values by field, JSON-ready, None unless status is answered.
    detail: which check failed, free of any text of the note or the answer.
    hint: what the validator said, for the model alone: it may quote the answer.
    """

    status: Status
    answer: dict[str, Any] | None = None
    detail: str = ""
    hint: str = ""


def judge(reply: Reply, model: type[BaseModel], *, baseline: int, num_ctx: int) -> Verdict:
    """Apply the acceptance rule: ended by itself, whole prompt seen, JSON, schema.

    baseline: prompt tokens of the same prompts around an empty note; num_ctx: tokens of context.
    """
    if reply.end is End.LENGTH:
        return Verdict(Status.TRUNCATED, detail=f"cut after {reply.answer_tokens} tokens")
    if reply.end is End.ABORTED:
        return Verdict(Status.INVALID_JSON, detail="the engine broke the answer off")
    if reply.prompt_tokens <= baseline:
        return Verdict(
            Status.SERVER_ERROR,
            detail=f"{reply.prompt_tokens} prompt tokens, {baseline} without a note: "
            "the prompt was not read whole",
        )
    if reply.prompt_tokens + reply.answer_tokens > num_ctx:
        return Verdict(
            Status.TOO_LONG,
            detail=f"{reply.prompt_tokens} + {reply.answer_tokens} tokens, context {num_ctx}",
        )
    return _read(reply.text, model)


def is_answer(values: dict[str, Any], model: type[BaseModel]) -> bool:
    """Whether the schema takes these values and gives back the very same.

    True of each answer that `judge` accepts, so that one kept in a journal can be held to it.
    Raises NotemillError when the class breaks.
    """
    return not _beyond_columns(values) and _stays(values, model)


def _stays(values: dict[str, Any], model: type[BaseModel]) -> bool:
    """Whether the schema gives back the very same, in values that columns hold."""
    try:
        text = _as_json(values)
        same = _as_json(_validated(text, model)) == text
    except ValueError:  # ValidationError is one too
        return False
    return same and not unstorable(values, fields_of(model))


def _read(text: str, model: type[BaseModel]) -> Verdict:
    """What a whole answer's text comes to."""
    try:
        values = _validated(text, model)
        _check_json(text)
    except ValidationError as error:
        return _rejected(error, model)
    except _RepeatedKey:
        return Verdict(
            Status.SCHEMA, detail="answer: repeated_key", hint="a key was given more than once"
        )
    except ValueError:
        return Verdict(Status.INVALID_JSON, detail="not JSON")
    if beyond := _beyond_columns(values):
        return Verdict(
            Status.SCHEMA,
            detail="; ".join(f"{name}: number_out_of_range" for name in beyond),
            hint="; ".join(f"{name}: the number is too large" for name in beyond),
        )
    if not _stays(values, model):
        return Verdict(
            Status.SCHEMA,
            detail="answer: not_valid_again",
            hint="the answer is not valid as the validators left it",
        )
    return Verdict(Status.ANSWERED, answer=values)


def _validated(text: str, model: type[BaseModel]) -> dict[str, Any]:
    """The values, JSON-ready. Raises ValidationError, and NotemillError when the class breaks."""
    try:
        answer = model.model_validate_json(text, strict=True)
        # A warning would quote the answer.
        return answer.model_dump(mode="json", by_alias=True, warnings=False)
    except (ValidationError, Terminated, asyncio.CancelledError):
        raise
    except BaseException as error:  # SystemExit would end the job without a word
        raise NotemillError(
            f"a validator of the answer's class raised {type(error).__name__}",
            where=f"{model.__name__} in the task's schema.py",
            remedy="a validator must refuse a value with ValueError; correct it, which makes a "
            "new experiment",
        ) from error


class _RepeatedKey(Exception):
    """An object has a key twice: which of its values is meant, nobody can say."""


def _pairs(members: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in members}) < len(members):
        raise _RepeatedKey


def _constant(word: str) -> None:
    raise ValueError(word)


# Made once: to make one takes longer than to use it. Numbers stay text: they may have more digits
# than Python turns into an int.
_as_json = json.JSONEncoder(allow_nan=False).encode
_check_json = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_constant=_constant, parse_int=str, parse_float=str
).decode
"""What Pydantic lets pass. Raises _RepeatedKey; ValueError for NaN and Infinity."""


def _beyond_columns(values: dict[str, Any]) -> list[str]:
    """Fields that no column can hold."""
    return [name for name, value in values.items() if not _storable(value)]


def _storable(value: Any) -> bool:
    """Whether a column can hold the value: whole numbers have 64 bits, others are finite."""
    if isinstance(value, int):
        return value in INT64
    if type(value) is str:
        return True
    try:
        _as_json(value)
    except ValueError:
        return False
    return True


def _rejected(error: ValidationError, model: type[BaseModel]) -> Verdict:
    problems = error.errors(include_url=False, include_context=False)
    if any(problem["type"] == "json_invalid" for problem in problems):
        return Verdict(Status.INVALID_JSON, detail="not JSON")
    # A key that the model made up is text of the answer.
    known = _field_names(model)
    places = [
        ".".join(
            str(part) if part in known or type(part) is int else "*" for part in problem["loc"]
        )
        or "answer"
        for problem in problems
    ]
    return Verdict(
        Status.SCHEMA,
        detail="; ".join(f"{p}: {each['type']}" for p, each in zip(places, problems, strict=True)),
        hint="; ".join(f"{p}: {each['msg']}" for p, each in zip(places, problems, strict=True)),
    )


@cache
def _field_names(model: type[BaseModel]) -> frozenset[str]:
    """Names of all fields, those of nested models too."""
    schema = model.model_json_schema()
    objects = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for each in objects for name in each.get("properties", {}))

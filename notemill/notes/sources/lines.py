"""JSON lines: one value of JSON a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from notemill.errors import NotemillError
from notemill.notes.sources.broken import BrokenLines, LineError
from notemill.notes.sources.ids import Ids, check_written
from notemill.notes.sources.messages import Messages
from notemill.notes.sources.row import SourceRow, Wanted
from notemill.notes.sources.stream import MOST_BYTES, Opened

_DEEPEST = 200
_NESTING = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{\]}]')
"""A text, or where a list or an object begins or ends."""


def json_rows(
    file: Opened, wanted: Wanted, ids: Ids, broken: BrokenLines, messages: Messages
) -> Iterator[SourceRow]:
    """The lines that can be taken; empty ones are none. Raises NotemillError for no JSON lines."""
    number = 0
    while line := file.bytes.readline(MOST_BYTES + 1):
        number += 1
        if len(line) > MOST_BYTES:
            raise too_long(file, number, "does it have a line for each note?")
        if line.isspace():
            continue
        try:
            yield _row(line, number, wanted, ids, messages)
        except LineError as reason:
            broken.add(number, reason)


def too_long(file: Opened, number: int, question: str) -> NotemillError:
    """The error for what is longer than any note."""
    return NotemillError(
        f"line {number} is longer than {MOST_BYTES >> 20} MiB",
        where=str(file.path),
        remedy=f"{question} No note was taken",
    )


def _row(line: bytes, number: int, wanted: Wanted, ids: Ids, messages: Messages) -> SourceRow:
    try:
        text_of_line = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise LineError(f"not UTF-8, at its byte {error.start + 1}") from None
    value = _value(text_of_line)
    if wanted.messages:
        text = messages.text(value)
    elif not isinstance(value, dict):
        raise LineError("no object, {...}")
    else:
        text = _taken(value, wanted.text)
        if text is not None and not isinstance(text, str):
            raise LineError(f"its {wanted.text} is no text")
    if text is not None:
        check_written(text, wanted.text)
    if wanted.numbered:
        values = wanted.place(number)
    elif isinstance(value, dict):
        values = tuple(_taken(value, name) for name in wanted.ids)
    else:
        raise LineError("no object, {...}, and so without ids")
    ids.check_json(values, wanted.name)
    return SourceRow(number, values, text, text_of_line if wanted.whole else None)


def _taken(value: dict[str, Any], name: str) -> Any:
    if name not in value:
        raise LineError(f"no {name}")
    return value[name]


def _value(line: str) -> Any:
    # How deep a parser gets depends on who calls it, and results are written beside these lines.
    if line.count("[") + line.count("{") > _DEEPEST and _depth(line) > _DEEPEST:
        raise LineError(f"JSON that is too deep: more than {_DEEPEST}")
    try:
        return _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise LineError(f"no JSON: {error.msg}, at its character {error.pos + 1}") from None
    except LineError:
        raise
    except (ValueError, RecursionError):
        raise LineError("JSON that is too deep, or a number of thousands of digits") from None


def _depth(line: str) -> int:
    """How deep lists and objects lie within each other."""
    depth = deepest = 0
    for found in _NESTING.finditer(line):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no key stands twice: which of the two is meant?"""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise LineError("a key stands twice in an object")
    return found


def _no_constant(_: str) -> NoReturn:
    raise LineError("no JSON: NaN or Infinity")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)

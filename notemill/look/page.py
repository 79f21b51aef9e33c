"""The page: one file, private, that needs no network and no program but a browser."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

import notemill
from notemill.answers.grading import Graded
from notemill.answers.verdict import Status
from notemill.clock import now
from notemill.errors import NotemillError
from notemill.files import explained, written_whole
from notemill.look.entries import LONGEST_SHOWN, About, Entry
from notemill.look.filters import filters_of
from notemill.look.marks import Mark, graded, marks_of
from notemill.look.words import (
    as_json,
    changes_in_words,
    grade_in_words,
    in_words,
    printed,
    shown,
)
from notemill.tasks.gate import Gated

_LAST = {Status.ANSWERED.value: 1, Status.NOT_RELEVANT.value: 2}
"""The places of these statuses in a page; all others come first."""
_MADE_BY = b'<meta name="generator" content="notemill look '


def write_page(path: Path, about: About, entries: Sequence[Entry]) -> None:
    """Write the page with each entry's note beside its answer, mode 0600 from its first byte.

    Failures come first, else the entries keep their order.
    """
    ordered = sorted(entries, key=lambda entry: _LAST.get(entry.outcome.status, 0))
    style, script = _part("page.css"), _part("page.js")
    gradings = [graded(entry, about) for entry in ordered]
    grades = [each.grade.value if each else None for each in gradings] if about.evidence else None
    rules = [entry.gated.rule or None for entry in ordered] if about.gated else None
    filters = filters_of([entry.outcome for entry in ordered], about.json_schema, grades, rules)
    page = _template().generate(
        about=about,
        entries=_shown(ordered, about, gradings, [each.of_entries for each in filters]),
        total=len(ordered),
        engines=sorted({entry.outcome.engine for entry in ordered} - {""}),
        filters=filters,
        options=as_json(about.options),
        json_schema=as_json(about.json_schema),
        made_at=now(),
        version=notemill.__version__,
        place=shlex.quote(str(path.absolute())),
        # Ours, and held to their hashes by the browser.
        style=Markup(style),
        script=Markup(script),
        style_hash=csp_hash(style),
        script_hash=csp_hash(script),
    )
    with written_whole(path) as partial:
        with partial.open("w", encoding="utf-8", errors="replace", newline="") as file:
            file.writelines(page)


def check_place(path: Path) -> None:
    """Raise NotemillError if a page can't be written there, or would take another file's place."""
    with explained(path):
        if not os.path.lexists(path) or (path.is_file() and _MADE_BY in _beginning(path)):
            return
    raise NotemillError(
        "something else than a page of notemill is in this place",
        where=str(path),
        remedy="name a file that is not there yet with --out, or move this away",
    )


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2048)


@dataclass(frozen=True)
class _Piece:
    """A part of a note. mark: the id of its mark, empty where nothing is marked; near: of what is
    only like the answer's words; unsent: of what the gate left out."""

    text: str
    mark: str = ""
    near: bool = False
    unsent: bool = False


@dataclass(frozen=True)
class _Field:
    """A field of an answer. items: of a list. evidence: of what grade it is, in words."""

    name: str
    text: str
    items: list[str] | None
    nothing: bool
    evidence: str = ""


def _shown(
    entries: Sequence[Entry],
    about: About,
    gradings: Sequence[Graded | None],
    choices: list[list[int]],
) -> Iterator[dict[str, Any]]:
    """What the template shows of each entry, one at a time: a page may hold many notes."""
    for number, entry in enumerate(entries, 1):
        outcome = entry.outcome
        note = entry.text[:LONGEST_SHOWN]
        evidence = gradings[number - 1]
        marks = marks_of(entry, about, evidence)
        fields = [_field(*each, about, evidence) for each in (outcome.answer or {}).items()]
        yield {
            "number": number,
            "choices": " ".join(str(of_entries[number - 1]) for of_entries in choices),
            "failed": outcome.status not in _LAST,
            "settled": outcome.status == Status.NOT_RELEVANT,
            "status": outcome.status,
            "words": in_words(outcome.status),
            "detail": printed(outcome.detail),
            "ids": [_ids(about, values) for values in entry.ids],
            "asides": _asides(entry),
            "fields": fields,
            "marks": len(marks),
            "first_mark": _mark_id(number, 1) if marks else "",
            "cost": _cost(entry),
            "changes": changes_in_words(outcome.changes),
            "text_sha256": entry.text_sha256,
            "pieces": list(_pieces(printed(note), marks, number, entry.gated)),
            "cut": entry.characters > len(note),
            "cut_at": f"{len(note):,}",
            "characters": f"{entry.characters:,}",
        }


def _pieces(note: str, marks: list[Mark], number: int, gated: Gated) -> Iterator[_Piece]:
    at = 0
    for place, mark in enumerate(marks, 1):
        start, end = mark.span
        yield from _plain(note, at, start, gated)
        yield _Piece(note[start:end], _mark_id(number, place), mark.near)
        at = end
    yield from _plain(note, at, len(note), gated)


def _plain(note: str, at: int, end: int, gated: Gated) -> Iterator[_Piece]:
    """What stands between two marks, what was not sent of it apart."""
    if not gated.parts:
        yield _Piece(note[at:end])
        return
    for start, stop in gated.parts:
        if at < end and start < end and stop > at:
            if start > at:
                yield _Piece(note[at:start], unsent=True)
            yield _Piece(note[max(at, start) : min(stop, end)])
            at = min(stop, end)
    if at < end:
        yield _Piece(note[at:end], unsent=True)


def _mark_id(number: int, place: int) -> str:
    return f"{number}-{place}"


def _field(name: str, value: Any, about: About, evidence: Graded | None) -> _Field:
    of_words = isinstance(value, list) and not any(isinstance(v, list | dict) for v in value)
    return _Field(
        name=name,
        text=shown(value),
        items=[shown(item) for item in value] if of_words and value else None,
        nothing=value is None or value in ("", []),
        evidence=grade_in_words(about.evidence, evidence.grade)
        if about.evidence and evidence and about.evidence.field == name
        else "",
    )


def _ids(about: About, values: tuple[Any, ...]) -> str:
    named = zip(about.id_columns, values, strict=True)
    return printed(", ".join(f"{name} {_id(value)}" for name, value in named))


def _asides(entry: Entry) -> list[str]:
    more = entry.notes - len(entry.ids)
    same = [f"and {more} more with the same text"] if entry.ids and more > 0 else []
    gate = _gate(entry.gated, entry.characters)
    return [*same, *gate, *([f"({entry.why})"] if entry.why else [])]


def _gate(gated: Gated, characters: int) -> list[str]:
    """What the gate did with a note."""
    if not gated.rule:
        return []
    if gated.settled:
        return [f"gate: {gated.rule}"]
    if gated.parts is None:
        return [f"gate: {gated.rule}, sent whole"]
    return [f"gate: {gated.rule}, {gated.share(characters):.0%} of it was sent"]


def _id(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _cost(entry: Entry) -> str:
    outcome = entry.outcome
    attempts = f"{outcome.attempts} attempt{'' if outcome.attempts == 1 else 's'}"
    tokens = f"{outcome.prompt_tokens} + {outcome.answer_tokens} tokens"
    return f"{attempts}, {tokens}, {outcome.seconds:.1f} s, {entry.characters:,} characters"


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_part("page.html"))


@cache
def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def csp_hash(text: str) -> str:
    """What a content security policy holds a script or style of the page itself to."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"

"""How well a note has what an answer names as its evidence: a grade, and where it is.

A pure function of the note, the answer and the task, so that it can be done again at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from notemill.answers.columns import EVIDENCE_END, EVIDENCE_GRADE, EVIDENCE_START
from notemill.answers.evidence import says_enough, trimmed
from notemill.answers.grades import FOUND, Grade
from notemill.answers.searching import SearchedNote, Span, normalised
from notemill.tasks.evidence import Evidence
from notemill.tasks.gate import WHOLE, Gated
from notemill.tasks.sentences import sent_sentences, sentences

_BEST_FIRST = (*FOUND, Grade.NOT_A_QUOTE, Grade.NEAR, Grade.ABSENT)
"""The grade of several quotes is the last of theirs in this order; `none` is of none at all."""
_OMISSION = re.compile(r"\[(?:\.{2,}|…)\]|\((?:\.{2,}|…)\)|\.{3,}|…")
_MARKS = {'"': '"', "'": "'", "“": "”", "„": "“”", "«": "»", "‘": "’", "`": "`"}


@dataclass(frozen=True)
class Graded:
    """What is to be said of an answer's evidence.

    places: those found in the note, in the order in which the answer names them; near: those of
    near matches. first: the place that start and end tell of.
    """

    grade: Grade
    places: tuple[Span, ...] = ()
    near: tuple[Span, ...] = ()
    first: Span | None = None

    def values(self) -> dict[str, Any]:
        """The columns of the result shard and the results table."""
        start, end = self.first or (None, None)
        return {EVIDENCE_GRADE: self.grade.value, EVIDENCE_START: start, EVIDENCE_END: end}


def grade(note: str, answer: dict[str, Any], evidence: Evidence, gated: Gated = WHOLE) -> Graded:
    """Grade the evidence of an answer to this note.

    note: as it is stored, which places are of. gated: what was not sent of it is not searched. Of
    several quotes the worst grade counts, and the first one that is found has start and end; of
    several sentences the first, with those named next that follow upon it.
    """
    value = answer[evidence.field]
    items = value if isinstance(value, list) else [value]
    named = [item for item in items if item is not None]
    if evidence.numbered:
        return _sentences_graded(note, named, gated)
    nothing = {normalised(_bare(words)) for words in evidence.nothing}
    searched = SearchedNote(gated.masked(note))
    each = [
        _quote_graded(searched, quote.strip(), bare)
        for quote in named
        if (bare := _bare(quote)) and not (nothing and normalised(bare) in nothing)
    ]
    if not each:
        return Graded(Grade.NONE)
    return Graded(
        max((graded.grade for graded in each), key=_BEST_FIRST.index),
        tuple(place for graded in each for place in graded.places),
        tuple(place for graded in each for place in graded.near),
        _first([g for g in each if g.grade in FOUND]) or _first(each),
    )


def _first(each: Iterable[Graded]) -> Span | None:
    return next((graded.first for graded in each if graded.first), None)


def _quote_graded(note: SearchedNote, quote: str, bare: str) -> Graded:
    if not says_enough(bare):
        return Graded(Grade.NOT_A_QUOTE)
    if found := next(note.exact(quote), None):
        return Graded(Grade.EXACT, (found,), first=found)
    if found := next(note.exact(bare), None) or next(note.alike(bare), None):
        return Graded(Grade.NORMALISED, (found,), first=found)
    if parts := _parts_found(note, [_bare(part) for part in _OMISSION.split(bare)]):
        return Graded(Grade.ELLIPSIS, parts, first=Span(parts[0].start, parts[-1].end))
    if near := note.near(bare):
        return Graded(Grade.NEAR, near=(near,), first=near)
    return Graded(Grade.ABSENT)


def _parts_found(note: SearchedNote, parts: Sequence[str]) -> tuple[Span, ...]:
    """Places of all parts, each behind the last; none unless all are there and say enough."""
    if len(parts) < 2 or not all(map(says_enough, parts)):
        return ()
    places: list[Span] = []
    for part in parts:
        since = places[-1].end if places else 0
        found = [
            span for found in (note.exact(part, since), note.alike(part, since))
            if (span := next(found, None))
        ]  # fmt: skip
        if not found:
            return ()
        places.append(min(found, key=lambda span: span.end))
    return tuple(places)


def _bare(quote: str) -> str:
    """The words without quotation marks around them, and marks of omission and sentence's end."""
    last = None
    while quote != last:
        last = quote
        quote = trimmed(quote)
        if len(quote) > 1 and quote[-1] in _MARKS.get(quote[0], ""):
            quote = quote[1:-1]
    return quote


def _sentences_graded(note: str, numbers: Sequence[int], gated: Gated) -> Graded:
    if not numbers:
        return Graded(Grade.NONE)
    spans = sentences(note)
    sent = sent_sentences(note, gated.parts)
    known = [number for number in numbers if number in sent]
    grade = Grade.EXACT if len(known) == len(numbers) else Grade.ABSENT
    if not known:
        return Graded(grade)
    last = known[0]
    for number in known[1:]:
        if number != last + 1:
            break
        last = number
    first = Span(spans[known[0] - 1][0], spans[last - 1][1])
    return Graded(grade, tuple(Span(*spans[number - 1]) for number in known), first=first)

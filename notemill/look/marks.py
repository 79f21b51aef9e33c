"""What is marked in a note: words that its answer quotes, sentences that it names."""

from __future__ import annotations

from dataclasses import dataclass

from notemill.answers.evidence import evidence_in, merged
from notemill.answers.grades import FOUND
from notemill.answers.grading import Graded, grade
from notemill.answers.searching import Span
from notemill.look.entries import LONGEST_SHOWN, About, Entry


@dataclass(frozen=True)
class Mark:
    """A place in a note. near: what stands there is like what the answer says, not the same."""

    span: Span
    near: bool = False


def graded(entry: Entry, about: About) -> Graded | None:
    """The grade of an entry's evidence, None where it has none, or may have it out of sight."""
    answer, evidence = entry.outcome.answer, about.evidence
    if answer is None or evidence is None or evidence.field not in answer:
        return None
    found = grade(entry.text[:LONGEST_SHOWN], answer, evidence, entry.gated.within(LONGEST_SHOWN))
    return found if entry.characters <= LONGEST_SHOWN or found.grade in FOUND else None


def marks_of(entry: Entry, about: About, evidence: Graded | None) -> list[Mark]:
    """The marks of an entry in the note's order, none overlapping another."""
    answer, note = entry.outcome.answer, entry.text[:LONGEST_SHOWN]
    if not answer:
        return []
    field = about.evidence.field if about.evidence and evidence else None
    rest = {name: value for name, value in answer.items() if name != field}
    spans = evidence_in(note, rest, about.json_schema)
    spans = merged([*spans, *(evidence.places if evidence else ())])
    near = merged(list(evidence.near)) if evidence else []
    alone = [place for place in near if not any(_overlap(place, span) for span in spans)]
    marks = [*map(Mark, spans), *(Mark(place, near=True) for place in alone)]
    return sorted(marks, key=lambda mark: mark.span)


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end

"""Where in a note the words stand that an answer quotes. A near miss is never a find.

Looked for are an answer's free texts, each whole and what stands in quotation marks within it, as
`searching` finds them. "Evidence of pneumonia" is found within "no evidence of pneumonia": whether
words support an answer is for the reader to judge.
"""

from __future__ import annotations

import re
from typing import Any

from notemill.answers.choices import Schema, free_texts
from notemill.answers.searching import SearchedNote, Span

_FEWEST_WORDS = 3
_FEWEST_CHARACTERS = 12
"""Letters and digits of a quote of fewer words: a word or two may be from anywhere."""
_QUOTED = re.compile(
    r'"([^"]+)"|“([^“”„]+)”|„([^“”„]+)[“”]|«([^«»]+)»|‘([^‘]{1,500}?)’(?!\w)|(?<!\w)\'([^"]{1,500}?)\'(?!\w)'
)
"""Quotation marks. Single ones are apostrophes too, so what stands between them is bounded."""
_OMITTED = re.compile(r"(?:\s|…|\.{2,})*")
_AT_END = "….,;:"


def evidence_in(note: str, answer: dict[str, Any], schema: Schema | None) -> list[Span]:
    """Where the note has what the answer quotes, in the note's order, none overlapping another.

    schema: JSON schema of the answer, by which its choices are told from its free texts; None
    where it is not known.
    """
    searched = SearchedNote(note)
    quotes = {quote for text in free_texts(answer, schema) for quote in quotes_of(text)}
    return merged([span for quote in sorted(quotes) for span in searched.find(quote)])


def quotes_of(text: str) -> list[str]:
    """What may be a quote in a free text of an answer: all of it, and what is in quotation marks.

    Without the white space and the dots around it, and only what is long enough to say from where
    it is.
    """
    found = [text, *("".join(filter(None, match.groups())) for match in _QUOTED.finditer(text))]
    return [quote for quote in dict.fromkeys(map(trimmed, found)) if says_enough(quote)]


def merged(spans: list[Span]) -> list[Span]:
    """Spans in order, those that overlap or touch as one."""
    result: list[Span] = []
    for span in sorted(spans):
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return result


def trimmed(text: str) -> str:
    """Without white space, dots of omission and marks at the end of a sentence."""
    end = len(text)
    while end and (text[end - 1].isspace() or text[end - 1] in _AT_END):
        end -= 1
    return text[_OMITTED.match(text, 0, end).end() : end]  # type: ignore[union-attr]


def says_enough(quote: str) -> bool:
    """Whether a quote is long enough to say from where in a note it is."""
    characters = sum(map(str.isalnum, quote))
    if characters >= _FEWEST_CHARACTERS:
        return True
    words = sum(any(map(str.isalnum, word)) for word in quote.split())
    return words >= _FEWEST_WORDS and characters >= _FEWEST_CHARACTERS // 2

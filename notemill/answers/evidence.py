"""Where in a note the words stand that an answer quotes. A near miss is never a find.

Looked for are an answer's free texts, each whole and what stands in quotation marks within it. One
of them is found where the note has the same characters; only if it has them nowhere, where both are
the same once normalised: NFKC, case folded, a run of white space as one space. "Evidence of
pneumonia" is found within "no evidence of pneumonia": whether words support an answer is for the
reader to judge. A find never begins or ends within a word or a number.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any, NamedTuple

from notemill.answers.choices import Schema, free_texts

_FEWEST_WORDS = 3
_FEWEST_CHARACTERS = 12
"""Letters and digits of a quote of fewer words: a word or two may be from anywhere."""
_QUOTED = re.compile(
    r'"([^"]+)"|“([^“”„]+)”|„([^“”„]+)[“”]|«([^«»]+)»|‘([^‘]{1,500}?)’(?!\w)|(?<!\w)\'([^"]{1,500}?)\'(?!\w)'
)
"""Quotation marks. Single ones are apostrophes too, so what stands between them is bounded."""
_PIECE = re.compile(
    # Of ASCII, words with one space between them; not a character that a combining one may follow.
    r"(?P<ascii>[!-~]+(?: [!-~]+)*)(?=[\x00-\x7f]|\Z)|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)
_WORD = {"Lu", "Ll", "Lt", "Nd"}
"""Letters with case and digits: where they are written, words have spaces between them."""
_IN_WORDS = ("", "-", "\N{HYPHEN}", "\N{NON-BREAKING HYPHEN}")
_IN_NUMBERS = (".", ",", ":", "/")
_OMITTED = re.compile(r"(?:\s|…|\.{2,})*")
_AT_END = "….,;:"


class Span(NamedTuple):
    """A place in a note: code points from start up to, and without, end."""

    start: int
    end: int


def evidence_in(note: str, answer: dict[str, Any], schema: Schema | None) -> list[Span]:
    """Where the note has what the answer quotes, in the note's order, none overlapping another.

    schema: JSON schema of the answer, by which its choices are told from its free texts; None
    where it is not known.
    """
    searched = _Searched(note)
    quotes = {quote for text in free_texts(answer, schema) for quote in quotes_of(text)}
    return merged([span for quote in sorted(quotes) for span in searched.find(quote)])


def find_quote(note: str, quote: str) -> list[Span]:
    """All places of a quote in a note: the same characters, or else the same once normalised.

    They may overlap.
    """
    return _Searched(note).find(quote)


def quotes_of(text: str) -> list[str]:
    """What may be a quote in a free text of an answer: all of it, and what is in quotation marks.

    Without the white space and the dots around it, and only what is long enough to say from where
    it is.
    """
    found = [text, *("".join(filter(None, match.groups())) for match in _QUOTED.finditer(text))]
    return [quote for quote in dict.fromkeys(map(_trimmed, found)) if _says_enough(quote)]


def normalised(text: str) -> str:
    """NFKC, case folded, each run of white space one space."""
    return _Normalised(text).text


def merged(spans: list[Span]) -> list[Span]:
    """Spans in order, those that overlap or touch as one."""
    result: list[Span] = []
    for span in sorted(spans):
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return result


class _Searched:
    """A note in which several quotes are looked for."""

    def __init__(self, note: str) -> None:
        self._note = note

    @cached_property
    def _normalised(self) -> _Normalised:
        return _Normalised(self._note)

    def find(self, quote: str) -> list[Span]:
        quote = quote.strip()
        if not quote:
            return []
        exact = [Span(at, at + len(quote)) for at in _places(self._note, quote)]
        return self._whole(exact) or self._whole(self._normalised.find(normalised(quote)))

    def _whole(self, spans: list[Span]) -> list[Span]:
        """Those that begin and end where words and numbers do."""
        note = self._note
        return [span for span in spans if not any(_within(note, at) for at in span)]


class _Normalised:
    """A text normalised, and from where in it each of the new characters comes.

    It is cut into pieces whose normal forms, one after another, are that of the whole; `_starts`
    and `_ends` have the piece of each new character.
    """

    def __init__(self, text: str) -> None:
        parts: list[str] = []
        self._starts = array("Q")
        self._ends = array("Q")
        for start, end, part in _pieces(text):
            parts.append(part)
            if len(part) == end - start and text[start:end].isascii():
                self._starts.extend(range(start, end))
                self._ends.extend(range(start + 1, end + 1))
            else:
                self._starts.extend([start] * len(part))
                self._ends.extend([end] * len(part))
        self.text = "".join(parts)

    def find(self, wanted: str) -> list[Span]:
        """Places in the text that was normalised, each of whole pieces."""
        return [
            Span(self._starts[at], self._ends[at + len(wanted) - 1])
            for at in _places(self.text, wanted)
            if self._is_edge(at) and self._is_edge(at + len(wanted))
        ]

    def _is_edge(self, at: int) -> bool:
        return at in (0, len(self.text)) or self._starts[at] != self._starts[at - 1]


def _pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """Start and end of each piece of the text, and its normal form."""
    at = 0
    while match := _PIECE.match(text, at):
        start, at = match.span()
        if match["space"]:
            yield start, at, " "
        elif match["ascii"]:
            yield start, at, match[0].lower()
        else:
            while at < len(text) and (_follows(text[at]) or _composes(text[start:at], text[at])):
                at += 1
            yield start, at, _folded(text[start:at])


def _follows(character: str) -> bool:
    """Whether a character is, or begins with, one that combines with what stands before it."""
    if character.isascii():
        return False
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) != 0


def _composes(piece: str, character: str) -> bool:
    """Whether they become another character together, as the letters of a Hangul syllable do."""
    if character.isascii():
        return False
    return _nfkc(piece + character) != _nfkc(piece) + _nfkc(character)


_nfkc = partial(unicodedata.normalize, "NFKC")


def _folded(piece: str) -> str:
    """Unicode's compatibility caseless form (D146), composed.

    Accents that stand alone stay as they are: they are a space and the accent in that form.
    """
    if _nfkc(piece).startswith(" "):
        return unicodedata.normalize("NFC", unicodedata.normalize("NFD", piece).casefold())
    for form in ("NFD", "NFKD", "NFKC"):
        piece = unicodedata.normalize(form, piece).casefold()
    return _nfkc(piece)


def _places(text: str, wanted: str) -> Iterator[int]:
    """Where a text begins in another; places may overlap."""
    at = text.find(wanted) if wanted else -1
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _within(text: str, at: int) -> bool:
    """Whether a place lies within a word, or a number such as 38.4, 120/80 or 2-3."""
    left, right = text[max(0, at - 2) : at], text[at : at + 2]
    if not left or not right:
        return False
    return (
        unicodedata.category(right[0]).startswith("M")
        or _run_on(left[-1], "", right[0])
        or (len(left) == 2 and _run_on(left[0], left[1], right[0]))
        or (len(right) == 2 and _run_on(left[-1], right[0], right[1]))
    )


def _run_on(before: str, between: str, after: str) -> bool:
    """Whether two characters with at most one between them are of one word or number."""
    kinds = {unicodedata.category(before), unicodedata.category(after)}
    return (kinds <= _WORD and between in _IN_WORDS) or (kinds <= {"Nd"} and between in _IN_NUMBERS)


def _trimmed(text: str) -> str:
    """Without white space, dots of omission and marks at the end of a sentence."""
    end = len(text)
    while end and (text[end - 1].isspace() or text[end - 1] in _AT_END):
        end -= 1
    return text[_OMITTED.match(text, 0, end).end() : end]  # type: ignore[union-attr]


def _says_enough(quote: str) -> bool:
    characters = sum(character.isalnum() for character in quote)
    words = sum(any(map(str.isalnum, word)) for word in quote.split())
    return characters >= _FEWEST_CHARACTERS or (
        words >= _FEWEST_WORDS and characters >= _FEWEST_CHARACTERS // 2
    )

"""Finds words in a note: the same characters, or the same once normalised. A near miss is no find.

Normalised is NFKC, case folded, a run of white space as one space. A find never begins or ends
within a word or a number. What is nearly there can be shown, and is asked for by another name.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property, partial
from typing import NamedTuple

from rapidfuzz import fuzz

_PIECE = re.compile(
    # Of ASCII, words with one space between them; not a character that a combining one may follow.
    r"(?P<ascii>[!-~]+(?: [!-~]+)*)(?=[\x00-\x7f]|\Z)|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)
_WORD = {"Lu", "Ll", "Lt", "Nd"}
"""Letters with case and digits: where they are written, words have spaces between them."""
_IN_WORDS = ("", "-", "\N{HYPHEN}", "\N{NON-BREAKING HYPHEN}")
_IN_NUMBERS = (".", ",", ":", "/")
NEAR = 80.0
"""The least likeness of what is near, in per cent: rapidfuzz's partial ratio, the share of letters
in which the words and the likest stretch of the note agree. See docs/evidence.md."""
_COMPARED = 100_000
"""Characters of a note that are compared for what is near."""


class Span(NamedTuple):
    """A place in a note: code points from start up to, and without, end."""

    start: int
    end: int


def normalised(text: str) -> str:
    """NFKC, case folded, each run of white space one space."""
    if text.isascii() and text == text.strip():
        return _NormalisedAscii(text).text
    return _Normalised(text).text


class SearchedNote:
    """A note in which several quotes are looked for."""

    def __init__(self, note: str) -> None:
        self._note = note

    def find(self, quote: str) -> list[Span]:
        """All places, those of the same characters if there are any."""
        quote = quote.strip()
        return list(self.exact(quote)) or list(self.alike(quote))

    def exact(self, quote: str, since: int = 0) -> Iterator[Span]:
        """Places with the same characters, from code point `since` on, in the note's order."""
        ends = len(quote)
        return self._whole(Span(at, at + ends) for at in _places(self._note, quote, since))

    def alike(self, quote: str, since: int = 0) -> Iterator[Span]:
        """Places that are the same once normalised, as `exact` has them."""
        return self._whole(self._normalised.find(normalised(quote), since))

    def near(self, quote: str) -> Span | None:
        """The place that is most like it, if any is by NEAR; it may say something else."""
        wanted, text = normalised(quote), self._normalised.text
        if not wanted or len(wanted) > len(text):
            return None
        found = fuzz.partial_ratio_alignment(wanted, text[:_COMPARED], score_cutoff=NEAR)
        if found is None:
            return None
        start, end = found.dest_start, found.dest_end
        there = text[start:end]
        start, end = start + len(there) - len(there.lstrip()), start + len(there.rstrip())
        return self._normalised.span(start, end) if start < end else None

    @cached_property
    def _normalised(self) -> _Normalised | _NormalisedAscii:
        return (_NormalisedAscii if self._note.isascii() else _Normalised)(self._note)

    def _whole(self, spans: Iterator[Span]) -> Iterator[Span]:
        """Those that begin and end where words and numbers do."""
        note = self._note
        return (span for span in spans if not any(_within(note, at) for at in span))


class _NormalisedAscii:
    """A text of ASCII normalised, without the white space around it: most notes are. It does at
    once, and many times faster, what `_Normalised` does by the piece."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.text = " ".join(text.lower().split())

    def find(self, wanted: str, since: int = 0) -> Iterator[Span]:
        """Places in the text that was normalised, from `since` on."""
        before = len(" ".join(self._text[:since].split()))
        for at in _places(self.text, wanted, before):
            span = self.span(at, at + len(wanted))
            if span.start >= since:
                yield span

    def span(self, start: int, end: int) -> Span:
        """Where a stretch of the normalised text comes from."""
        return Span(self._origin(start), self._origin(end - 1) + 1)

    def _origin(self, at: int) -> int:
        """Of a space the place before the white space it stands for."""
        words = self.text.count(" ", 0, at)
        in_word = at - (self.text.rfind(" ", 0, at) + 1)
        return len(self._text) - len(self._text.split(None, words)[words]) + in_word


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

    def find(self, wanted: str, since: int = 0) -> Iterator[Span]:
        """Places in the text that was normalised, each of whole pieces, from `since` on."""
        for at in _places(self.text, wanted, bisect_left(self._starts, since)):
            if self._is_edge(at) and self._is_edge(at + len(wanted)):
                yield self.span(at, at + len(wanted))

    def span(self, start: int, end: int) -> Span:
        """Where a stretch of the normalised text comes from."""
        return Span(self._starts[start], self._ends[end - 1])

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


def _places(text: str, wanted: str, since: int = 0) -> Iterator[int]:
    """Where a text begins in another; places may overlap."""
    at = text.find(wanted, since) if wanted else -1
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

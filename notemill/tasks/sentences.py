"""A note with its sentences numbered, each on a line that begins with its number: `[3] No fever.`

A sentence ends at a full stop, question or exclamation mark before white space and anything but a
small letter, and at the end of a line, unless that is full and the next goes on with a small
letter. Where a line is a heading, an item or a measurement, that is "a sentence" too.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

SPLITTING = 1
"""Raise it when a text is split or numbered differently: what is asked is then another question."""
MOST = 9_999
"""Sentences of a note; the last holds all that is left."""
_FULL_LINE = 40
"""Characters of a line that may have been broken within a sentence."""
_LONGEST = 1_000
"""Characters after which a sentence ends at the next white space, whatever it says."""

_LINE_END = "\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_FULL_STOPS = ".!?…。！？｡"
_CLOSING = "\"')]}”’»」』）"
_GAP = re.compile(
    # One set of characters first, so that all between them is passed over at once.
    rf"[{_FULL_STOPS}{_LINE_END}]"
    rf"(?:(?<=[{_LINE_END}])\s*"
    rf"|[{re.escape(_CLOSING)}]*(?P<space>\s+)"
    rf"|(?<=[。！？｡])[{re.escape(_CLOSING)}]*(?P<nothing>)(?=[^\s。！？｡{re.escape(_CLOSING)}]))"
)
"""Where a sentence may end: a line's end, white space behind a full stop, nothing behind one that
needs none."""
_SPACE = re.compile(r"\s+")
_LINE_ENDS = re.compile(f"\r\n|[{_LINE_END}]")
_GOES_ON = frozenset(",;:)]}%/")
"""What no sentence begins with."""
_WORD_BEFORE = re.compile(r"\S{1,24}\Z")
_TITLES = re.compile(
    r"drs?|mrs?|ms|prof|st|e\.g|i\.e|vs|cf|viz|approx|ca|figs?|al|jr|sr|dept|resp|incl"
)
"""Never the end of a sentence before their full stop."""
_MEASURES = re.compile(
    r"mc?g|ug|k?g|[md]?l|cc|[cm]?m|in|ft|lbs?|oz|meq|mmol|iu|u|hrs?|h|min|sec|s|yrs?|mo|wks?|d|nos?"
    r"|tabs?|caps?|p\.?o|q|[bt]\.?i\.?d|q\.?i\.?d|q\.?[dh]|i\.?[vm]|s\.?c|[ap]\.m"
)
"""Not the end of one before a number."""
_ITEM = re.compile(r"\(?(?:[0-9]{1,3}|[A-Za-z]|[ivxIVX]{1,4})\.\Z")
_INITIAL = re.compile(r"(?:\A|\W)[A-Z]\.\Z")


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end (code points) of each sentence, in order; only white space lies between them.

    There are MOST at most.
    """
    found = list(itertools.islice(_sentences(text), MOST))
    if len(found) == MOST:
        found[-1] = (found[-1][0], len(text.rstrip()))
    return found


def numbered(text: str, parts: Sequence[tuple[int, int]] | None = None) -> str:
    """The text as it is sent: each sentence on a line of its own behind its number.

    A line that begins with a number in square brackets is one of ours, whatever the text holds;
    empty lines and indentation stay. parts: what alone is sent of the text; sentences keep the
    numbers that they have in all of it.
    """
    return "".join(_lines(text, parts))


def sent_sentences(
    text: str, parts: Sequence[tuple[int, int]] | None = None
) -> dict[int, list[tuple[int, int]]]:
    """By their numbers the sentences of which something is sent, and where what is sent lies."""
    if parts is None:
        return {number: [span] for number, span in enumerate(sentences(text), 1)}
    found: dict[int, list[tuple[int, int]]] = {}
    waiting = list(parts)
    for number, (start, end) in enumerate(sentences(text), 1):
        while waiting and waiting[0][1] <= start:
            waiting.pop(0)
        inside = ((max(start, a), min(end, b)) for a, b in waiting if a < end)
        if sent := [(a, b) for a, b in inside if text[a:b].strip()]:
            found[number] = sent
    return found


def _lines(text: str, parts: Sequence[tuple[int, int]] | None) -> Iterator[str]:
    last = None
    for number, sent in sent_sentences(text, parts).items():
        if last is not None:
            gap = text[last[1] : sent[0][0]] if number == last[0] + 1 else ""
            yield gap if "\n" in gap and not gap.strip() else "\n"
        words = " ".join(text[start:end] for start, end in sent)
        yield f"[{number}] {_SPACE.sub(_on_one_line, words)}"
        last = number, sent[-1][1]


def _on_one_line(space: re.Match[str]) -> str:
    return " " if _LINE_ENDS.search(space[0]) else space[0]


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = len(text) - len(text.lstrip())
    end = len(text.rstrip())
    for gap in _GAP.finditer(text, start, end):
        at = gap.start(gap.lastgroup or 0)
        if at > start and _ends(text, start, at, gap.end()):
            yield from _bounded(text, start, at)
            start = gap.end()
    if start < end:
        yield from _bounded(text, start, end)


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A sentence, without white space at its end, and cut where it is too long."""
    while text[end - 1].isspace():
        end -= 1
    while end - start > _LONGEST and (space := _SPACE.search(text, start + _LONGEST, end)):
        yield start, space.start()
        start = space.end()
    yield start, end


def _ends(text: str, start: int, at: int, end: int) -> bool:
    """Whether the sentence that began at `start` ends at `at`, before a gap up to `end`."""
    if at == end:
        return True
    after, lines = text[end], _line_ends(text[at:end])
    if lines and not (lines == 1 and after.islower()):
        return True
    if lines and at - max(start, text.rfind("\n", start, at)) < _FULL_LINE:
        return True
    return _has_stopped(text, start, at, after)


def _line_ends(space: str) -> int:
    return 0 if space == " " else len(_LINE_ENDS.findall(space))


def _has_stopped(text: str, start: int, at: int, after: str) -> bool:
    """Whether a sentence stops at this place, where white space and then `after` comes."""
    stop = at
    while stop > start and text[stop - 1] in _CLOSING:
        stop -= 1
    if stop == start or text[stop - 1] not in _FULL_STOPS:
        return False
    if after.islower() or after in _GOES_ON:
        return False
    if text[stop - 1] != ".":
        return True
    before = _WORD_BEFORE.search(text, max(start, stop - 24), stop)
    word = before[0] if before else ""
    plain = word.rstrip(".").lstrip("([{\"'").lower()
    if _TITLES.fullmatch(plain) or _INITIAL.search(word):
        return False
    if after.isdigit() and _MEASURES.fullmatch(plain):
        return False
    # The number of an item: nothing of it has been said yet.
    return not (stop - len(word) == start and _ITEM.match(word))

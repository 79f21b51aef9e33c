"""What a page says in words: how a text ended, and what an answer's values are."""

from __future__ import annotations

import json
from typing import Any

from notemill.answers.grades import Grade
from notemill.answers.verdict import Status
from notemill.tasks.evidence import Evidence

IN_WORDS = {
    Status.ANSWERED: "answered",
    Status.TRUNCATED: "the answer was cut off: it is longer than num_predict allows",
    Status.INVALID_JSON: "the answer was not JSON",
    Status.SCHEMA: "the answer was JSON that schema.py refuses",
    Status.TOO_LONG: "prompts and note do not fit into num_ctx",
    Status.TIMEOUT: "no answer came in time, while others got theirs",
    Status.SERVER_ERROR: "the server failed on this note alone",
    Status.BLANK: "blank, and so not asked",
    Status.NOT_RELEVANT: "settled by the task's gate, and so not asked",
}
"""What each status says of a note."""
_CHANGES = {
    "hint": "it was told what schema.py had refused",
    "pause": "a pause before it",
    "timeout_s": "{} seconds for it",
    "num_predict": "room for {} tokens of answer",
    "seed": "another seed and temperature ({})",
}
"""What an attempt changed (notemill.answers.attempts)."""

_GRADES = {
    Grade.EXACT: "exact: the note has these very words",
    Grade.NORMALISED: "normalised: the note has these words, written otherwise",
    Grade.ELLIPSIS: "ellipsis: the note has all its parts, in this order",
    Grade.NEAR: "near: the note has something like it (dashed), not the same",
    Grade.ABSENT: "absent: the note does not have it",
    Grade.NOT_A_QUOTE: "not_a_quote: too short to say where it is from",
    Grade.NONE: "none",
}
_GRADES_OF_NUMBERS = {
    Grade.EXACT: "exact: the note has sentences of these numbers",
    Grade.ABSENT: "absent: the note has no sentence of one of these numbers",
    Grade.NONE: "none",
}

_UNSEEN = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n\r"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0x2426),
    **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD),
}
"""Control characters, which no browser shows and HTML can't hold, to Unicode's pictures of them."""


def printed(text: str) -> str:
    """The text, as long as it was, with a picture for each character that could not be seen."""
    return text.translate(_UNSEEN)


def shown(value: Any) -> str:
    """A value of an answer: a text as it is, anything else as JSON."""
    return printed(value if isinstance(value, str) else as_json(value))


def as_json(value: Any) -> str:
    """JSON for a reader."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def in_words(status: str) -> str:
    """What a status says of a note; one of another version as it is."""
    return IN_WORDS.get(Status(status), status) if status in set(Status) else status


def grade_in_words(evidence: Evidence, grade: Grade) -> str:
    """What the grade of an answer's evidence says."""
    return (_GRADES_OF_NUMBERS if evidence.numbered else _GRADES)[grade]


def changes_in_words(changes: str) -> list[str]:
    """What each attempt after the first changed."""
    return [_change(part) for part in changes.split("; ") if part]


def _change(part: str) -> str:
    kind, _, value = part.partition("=")
    words = _CHANGES.get(kind)
    return words.format(part if kind == "seed" else value) if words else part

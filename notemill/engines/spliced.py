"""Request bodies as JSON bytes: what stays the same is written once, the user's message each time.

Schema, prompts and options are the same for every first attempt at a note, and may be larger than
the note.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from notemill.engines.protocol import Question, RequestFailed

USER = f"the user's message {secrets.token_hex(16)}"
"""Stands for the user's message in a body; nobody's prompt has it."""
_MOST_KEPT = 256
"""Bodies kept; retries of some texts make further ones."""


class _Around(NamedTuple):
    """The bytes before and behind the user's message, for a schema that must stay the same one."""

    schema: dict[str, Any]
    before: bytes
    behind: bytes


class Spliced:
    """Bodies of one client. body_of: the body of a question, with USER as the user's message."""

    def __init__(self, body_of: Callable[[Question], dict[str, Any]]) -> None:
        self._body_of = body_of
        self._kept: dict[tuple[object, ...], _Around] = {}

    def body(self, question: Question) -> bytes:
        """The question's body, UTF-8. Raises RequestFailed for what UTF-8 can't hold."""
        sampling = (question.num_predict, question.seed, question.temperature)
        key = (question.system, id(question.json_schema), *sampling)
        around = self._kept.get(key)
        if around is None:
            around = self._keep(key, question)
        try:
            user = encode_basestring(question.user).encode()
        except UnicodeEncodeError:  # its words quote the note
            raise RequestFailed("half a character (a lone surrogate) in the question") from None
        return b"".join((around.before, user, around.behind))

    def _keep(self, key: tuple[object, ...], question: Question) -> _Around:
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        before, behind = as_json(self._body_of(question)).split(as_json(USER))
        self._kept[key] = around = _Around(question.json_schema, before, behind)
        return around


def as_json(value: Any) -> bytes:
    """JSON in UTF-8, without a space too many. Raises ValueError for NaN and the like."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()

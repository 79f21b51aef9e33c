"""Entries as a page may have to show them."""

from __future__ import annotations

import hashlib
from typing import Any

from notemill.answers.outcome import Outcome
from notemill.look.entries import About, Entry

SCHEMA = {
    "properties": {
        "response": {"enum": ["yes", "no", "unclear"]},
        "acute": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        "reason": {"type": "string"},
        "quotes": {"type": "array", "items": {"type": "string"}},
    }
}
ABOUT = About(
    cohort="chest",
    experiment="cough-0123456789ab",
    model="m:1",
    model_digest="d" * 64,
    which="These are some.",
    id_columns=("visit", "accession"),
    system_prompt="You read <b>notes</b>.",
    user_prompt="Read:\n{note}",
    options={"seed": 1},
    json_schema=SCHEMA,
)


def entry(text: str, status: str = "answered", *, ids: Any = (("7", "A"),), **values: Any) -> Entry:
    """An entry; values: fields of its answer, or of its outcome if it failed."""
    answer = {"response": "yes", "acute": None, "reason": "", "quotes": []} | values
    failed = status != "answered"
    outcome = Outcome(
        status=status,
        answer=None if failed else answer,
        detail=values.get("detail", "") if failed else "",
        attempts=values.get("attempts", 1) if failed else 1,
        changes=values.get("changes", "") if failed else "",
        prompt_tokens=20,
        answer_tokens=10,
        seconds=0.5,
        engine="small 1",
        answered_at="2026-11-21T00:00:00+00:00",
    )
    sha256 = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return Entry(sha256, text, len(text), outcome, tuple(ids), len(ids))

"""Tokens, and what each era makes of a prompt that is longer than the context.

The tokenizer: one token for every four bytes of UTF-8, rounded up for each message, four more for
each message and three for the start of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .log import log

BYTES_A_TOKEN = 4
MESSAGE_TOKENS = 4
ANSWER_START_TOKENS = 3

TOO_LONG_MIDDLE = "the input length exceeds the context length"
TOO_LONG_NEW = (
    "the prompt is longer than the context length currently available to the model; shorten the "
    "prompt, adjust the context length in settings, or use a model with a longer context length"
)


class TooLong(Exception):
    """Refused with status 400 and this message."""


@dataclass(frozen=True)
class Prompt:
    """What reaches the model. system: None if it was lost, or cut; note: the last message, or
    what is left of it; tokens: as prompt_eval_count tells."""

    system: str | None
    note: str
    tokens: int


def tokens_of(text: str) -> int:
    """Tokens of a text."""
    return -(-len(text.encode()) // BYTES_A_TOKEN)


def prompt_tokens(messages: list[dict[str, Any]]) -> int:
    """Tokens of a whole prompt."""
    contents = [tokens_of(message["content"]) + MESSAGE_TOKENS for message in messages]
    return sum(contents) + ANSWER_START_TOKENS


def too_long(era: str, tokens: int, context: int) -> TooLong:
    """The refusal of a prompt where cutting is not allowed."""
    if era == "new":
        return TooLong(
            f"request ({tokens} tokens) exceeds the available context size ({context} tokens), "
            "try increasing it"
        )
    return TooLong(TOO_LONG_MIDDLE)


def fitted(
    messages: list[dict[str, Any]], context: int, era: str, *, truncate: bool, shift: bool
) -> Prompt:
    """The prompt as the model sees it. Raises TooLong where this era refuses it."""
    tokens = prompt_tokens(messages)
    if tokens <= context - (era == "new"):
        return _prompt(messages, tokens)
    if not truncate:
        raise too_long(era, tokens, context)
    if era == "middle":
        return _cut(messages, tokens, context)
    if not shift:
        raise TooLong(TOO_LONG_NEW)
    half = context // 2
    log("WARN", "llama_server.go:320", "truncating input prompt", limit=half, prompt=tokens)
    return _without_start(messages, tokens - half, half, keeps_system=True)


def _cut(messages: list[dict[str, Any]], tokens: int, context: int) -> Prompt:
    """The runner keeps the first four tokens and the end."""
    log(
        "WARN",
        "runner.go:153",
        "truncating input prompt",
        limit=context,
        prompt=tokens,
        keep=4,
        new=context,
    )
    return _without_start(messages, tokens - context, context, keeps_system=False)


def _without_start(
    messages: list[dict[str, Any]], missing: int, left: int, *, keeps_system: bool
) -> Prompt:
    system = _system(messages)
    note = str(messages[-1]["content"])
    if not keeps_system and system is not None:
        missing -= tokens_of(system) + MESSAGE_TOKENS
        system = None
    kept = max(0, tokens_of(note) - max(0, missing)) * BYTES_A_TOKEN
    rest = note.encode()[-kept:] if kept else b""
    return Prompt(system, rest.decode(errors="ignore"), left)


def _prompt(messages: list[dict[str, Any]], tokens: int) -> Prompt:
    return Prompt(_system(messages), str(messages[-1]["content"]), tokens)


def _system(messages: list[dict[str, Any]]) -> str | None:
    systems = [str(each["content"]) for each in messages if each.get("role") == "system"]
    return systems[0] if systems else None

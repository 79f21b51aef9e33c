"""Control tokens, the words by which a prompt's turns begin and end: broken up in each note.

An engine reads `<|im_end|>` in a prompt as the token of that name, wherever it stands: a note that
holds it would close its own turn and could write another. So a space is put after the first
character of each: `< |im_end|>` is text to every tokenizer, and a reader sees what was done (a
character without width would not be seen, and some tokenizers drop it).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import chain, repeat
from pathlib import Path

from notemill.engines.gguf_metadata import gguf_metadata, is_gguf
from notemill.logs import log

_TOKENS = "tokenizer.ggml.tokens"
_TYPES = "tokenizer.ggml.token_type"
_TEMPLATES = ("tokenizer.chat_template", "tokenizer.chat_template.default")
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4

KNOWN = re.compile(
    r"<\|[^<>|\s]{1,64}\|>"  # ChatML, Llama 3, Phi, Qwen, GLM, gpt-oss, Granite, Command R
    r"|<｜[^<>｜\s]{1,64}｜>"  # DeepSeek
    r"|\[\|[^\[\]|\s]{1,64}\|\]"  # EXAONE
    r"|</?s>|<(?:bos|eos|pad|unk|mask|sep|cls|eod|eot|eoh|eoa)>|<(?:BOS|EOS|PAD|UNK)_TOKEN>"
    r"|_<EOT>|<EOT>|<(?:PRE|SUF|MID|PAD|REP|REPO|reponame)>|<fim[-_](?:prefix|suffix|middle|pad|repo)>"
    r"|<(?:start|end)_of_[a-z]{1,32}>|<(?:unused|reserved_|extra_id_)[0-9]{1,5}>"  # Gemma, others
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|CALL_ID"
    r"|ARGS|THINK|MODEL_SETTINGS)\]|<</?SYS>>"  # Llama 2, Mistral
    r"|</?(?:think|tool_call|tool_response|tools)>"
    r"|\[(?:BOS|EOS|CLS|SEP|MASK)\]"
)
"""Control tokens of models whose vocabulary can't be read. Not `[NAME]` and the like, which
de-identified notes are full of. Each choice begins with one character that it must have, so that
`re` passes over all others ten times as fast."""

_HTML = re.compile(
    r"</?(?:[a-z]|h[1-6]|br|hr|table|caption|thead|tbody|tfoot|tr|th|td|ul|ol|li|div|span|pre|code"
    r"|blockquote|strong|em|sub|sup)>"
)
"""Gemma's vocabulary has user-defined tokens for tags: no turn ends by them."""
_MARKER = re.compile(r"[<\[{].+[>\]}]", re.DOTALL)


_IMAGES = r"\[img-[0-9]+\]|<__media__>"
"""What Ollama and llama.cpp take for the place of an image, where the model reads images: a request
without one fails."""


class ControlTokens:
    """The control tokens of one model. tokens: exact strings; None takes the known ones."""

    def __init__(self, tokens: Collection[str] | None) -> None:
        words = [KNOWN.pattern]
        if tokens is not None:
            longest_first = sorted(tokens, key=lambda token: (-len(token), token))
            words = list(map(re.escape, longest_first))
        self._pattern = re.compile("|".join([*words, _IMAGES]))

    def broken_up(self, text: str) -> tuple[str, int]:
        """The text without any control token, and how many were broken up."""
        total = 0
        count = 1
        while count:  # again: a token with a space in it could come about
            text, count = self._pattern.subn(_split, text)
            total += count
        return text, total


OF_ANY_MODEL = ControlTokens(None)


def control_tokens(weights: Path, templates: Iterable[str] = ()) -> list[str] | None:
    """The control tokens of a model's vocabulary and templates, None if it is no GGUF.

    Those that llama.cpp and Ollama look for in a prompt: tokens of type control and unknown,
    user-defined ones that look like a marker, and of any type what both take for a control token
    by its name. Raises EngineRefused for a damaged file.
    """
    if not is_gguf(weights):
        return None
    found = gguf_metadata(weights, {_TOKENS, _TYPES, *_TEMPLATES})
    texts = [text.decode(errors="replace") for text in found.get(_TOKENS, [])]
    kinds = chain(found.get(_TYPES, []), repeat(_NORMAL))
    tokens = {text for text, kind in zip(texts, kinds, strict=False) if _is_control(text, kind)}
    inner = (found[key].decode(errors="replace") for key in _TEMPLATES if key in found)
    for template in (*templates, *inner):
        tokens.update(KNOWN.findall(template))
    return sorted(tokens)


def recorded_tokens(weights: Path, *templates: str) -> list[str] | None:
    """The control tokens for a model's record; says so where they can't be known."""
    tokens = control_tokens(weights, templates)
    if tokens is None:
        log.warning(
            "%s is no GGUF, so the model's control tokens are not known; those of other models are "
            "looked for in the notes",
            weights,
        )
    return tokens


def _is_control(text: str, kind: int) -> bool:
    if len(text.strip(" \t\r\n▁")) < 2:  # white space; one character can't be broken up
        return False
    if kind in (_UNKNOWN, _CONTROL):
        return True
    if kind == _USER_DEFINED:
        return bool(_MARKER.fullmatch(text)) and not _HTML.fullmatch(text)
    return bool(KNOWN.fullmatch(text))


def _split(match: re.Match[str]) -> str:
    token = match[0]
    first = len(token) - len(token.lstrip()) + 1  # after a space it would still be there
    return f"{token[:first]} {token[first:]}"

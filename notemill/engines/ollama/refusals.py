"""What Ollama's refusals mean, and which of their words may be passed on."""

from __future__ import annotations

import json
from contextlib import suppress
from http import HTTPStatus

from notemill.engines.http import Response
from notemill.engines.protocol import PromptTooLong, RequestFailed
from notemill.errors import EngineRefused, NotemillError

_TOO_LONG = (
    "input length exceeds the context length",  # 0.12.6 to 0.24
    "prompt is longer than the context length",  # from 0.30, models with a template
    "exceeds the available context size",  # from 0.30, the others
)
_TOLD = (
    "unexpected EOF",
    "connection refused",
    "process no longer running",
    "unexpectedly stopped",
    "invalid JSON schema in format",
    "must be of type",
    "out of memory",
    "does not support thinking",
)
"""All that is passed on of Ollama's words once it has read a note: they may quote its answer (as
llama.cpp's `Failed to parse input at pos 12: ...` does, and any of the runner's last words)."""
_FOR_GOOD = ("invalid JSON schema in format", "must be of type", "does not support thinking")
_DAMAGED = (
    "invalid file magic",
    "corrupted or incomplete",
    "exceeds file size",
    "unknown model architecture",
    "missing tensor",
    "unsupported model",
)


class Refused(Exception):
    """A status that is not 200. words: Ollama's; never for a log once it has read a note."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.status = response.status
        self.words = response.text
        with suppress(ValueError, AttributeError):
            self.words = str(json.loads(self.words).get("error", self.words))

    def meaning(self) -> Exception:
        """PromptTooLong, or RequestFailed with known phrases alone.

        What Ollama refuses for good, it has refused to the probes already.
        """
        if any(words in self.words for words in _TOO_LONG):
            return PromptTooLong("refused by the engine: longer than the context")
        told = [words for words in _TOLD if words in self.words]
        return RequestFailed(
            ", ".join([f"status {self.status}", *told]),
            words=self.words,
            for_good=self.status == HTTPStatus.BAD_REQUEST or any(t in _FOR_GOOD for t in told),
        )


def not_loaded(words: str) -> NotemillError:
    """What to say when the model did not load. words: Ollama's, before it has read a note."""
    line = " ".join(words.split())[:300]
    if any(sign in words for sign in _DAMAGED):
        return EngineRefused(
            f"Ollama can't read the model's weights: {line}",
            where="engines.*.models",
            remedy="pull or create the model again; for a new kind of model use a newer Ollama",
        )
    return NotemillError(
        f"the engine can't load the model: {line}",
        where="the engine's log, beside this job's log",
        remedy="when memory is short: fewer slots, a smaller num_ctx, or a larger GPU",
    )

"""POST /api/chat: from a request's body to the messages that answer it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from . import store
from .answers import BadSchema, KillsServer, answer_text, check_format
from .faults import Faults
from .log import log, now
from .prompts import BYTES_A_TOKEN, Prompt, TooLong, fitted, prompt_tokens, tokens_of, too_long
from .runner import Loaded, RunnerGone, Scheduler
from .settings import Settings

BUSY = "server busy, please try again.  maximum pending requests exceeded"
HANG_SECONDS = float(1 << 20)
_OPTION_TYPES = {"num_ctx": "integer", "num_predict": "integer", "seed": "integer"}
_OPTION_TYPES |= {"temperature": "float32", "repeat_penalty": "float32", "top_p": "float32"}


class Refused(Exception):
    """Answered with an error: its status and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Chat:
    """Answers chat requests; many at once."""

    def __init__(self, settings: Settings, faults: Faults, scheduler: Scheduler) -> None:
        self._settings = settings
        self._faults = faults
        self._scheduler = scheduler
        self._running = 0
        self._lock = threading.Lock()

    def replies(
        self, body: dict[str, Any], client_gone: Callable[[], bool]
    ) -> Iterator[dict[str, Any]]:
        """The answer's messages, the last of them complete. Raises Refused or ClientGone."""
        begun = time.monotonic_ns()
        model = self.model(body)
        if body.get("think"):
            raise Refused(400, f'"{body["model"]}" does not support thinking')
        options = checked_options(body)
        messages = body.get("messages") or []
        if not messages:
            yield self._message(body, "", done=True, done_reason=self.preload(body, model))
            return
        self._check_format(body.get("format"))
        faults = self._faults.of_request(messages)
        with self._counted() as running:
            self._write_journal(body, faults, running)
            yield from self._answered(body, model, options, faults, client_gone, begun)

    def model(self, body: dict[str, Any]) -> store.Model:
        """The model that the request names. Raises Refused."""
        name = body.get("model") or body.get("name") or ""
        if not name:
            raise Refused(400, "model is required")
        found = store.find(self._settings.models, name)
        if found is None and self._settings.era == "middle":
            raise Refused(404, f"model '{name}' not found")
        if found is None:
            raise Refused(404, f'model "{name}" not found, try pulling it first')
        return found

    def preload(self, body: dict[str, Any], model: store.Model) -> str:
        """Load the model, or unload it if the request wants that; returns the done_reason."""
        if body.get("keep_alive") in {0, "0"}:
            self._scheduler.unload()
            return "unload"
        self._load(model, checked_options(body))
        return "load"

    def _load(self, model: store.Model, options: dict[str, Any]) -> Loaded:
        if problem := self._faults.of_server("load_fails"):
            raise Refused(500, problem)
        context = min(int(options.get("num_ctx", self._settings.context)), model.context_length)
        return self._scheduler.load(model, context)

    def _answered(
        self,
        body: dict[str, Any],
        model: store.Model,
        options: dict[str, Any],
        faults: dict[str, Any],
        client_gone: Callable[[], bool],
        begun: int,
    ) -> Iterator[dict[str, Any]]:
        if "cold_503" in faults:
            raise Refused(503, BUSY)
        if "bad_gateway" in faults:
            raise Refused(502, "bad gateway")
        if "crash" in faults:
            os.kill(os.getpid(), signal.SIGKILL)
        loaded = self._load(model, options)
        try:
            with loaded.slot(client_gone):
                worked = time.monotonic_ns()
                if "error_500" in faults:
                    raise Refused(500, faults["error_500"] or "an unknown error was encountered")
                prompt = self._prompt(body, loaded, faults)
                if "runner_crash" in faults:
                    loaded.kill()
                loaded.work(
                    HANG_SECONDS if "hang" in faults else float(faults.get("slow") or 0),
                    client_gone,
                )
                text = answer_text(body.get("format"), prompt, faults)
        except RunnerGone as error:
            raise Refused(500, str(error)) from None
        except BadSchema as error:
            raise Refused(500, str(error)) from None
        yield from self._messages(body, options, loaded, faults, prompt, text, begun, worked)

    def _prompt(self, body: dict[str, Any], loaded: Loaded, faults: dict[str, Any]) -> Prompt:
        messages = body["messages"]
        if "drop_system" in faults:
            messages = [message for message in messages if message.get("role") != "system"]
        try:
            if "exceed_context" in faults:
                raise too_long(self._settings.era, prompt_tokens(messages), loaded.context)
            return fitted(
                messages,
                loaded.context,
                self._settings.era,
                truncate="cuts" in faults or body.get("truncate") is not False,
                shift="cuts" in faults or body.get("shift") is not False,
            )
        except TooLong as error:
            raise Refused(400, str(error)) from None

    def _messages(
        self,
        body: dict[str, Any],
        options: dict[str, Any],
        loaded: Loaded,
        faults: dict[str, Any],
        prompt: Prompt,
        text: str,
        begun: int,
        worked: int,
    ) -> Iterator[dict[str, Any]]:
        if "invalid_json" in faults:
            text = text[:-1] + ",}"
        limit = self._room(body, options, loaded, prompt)
        if "cut" in faults or "done_false" in faults:
            limit = min(limit, max(1, tokens_of(text) // 2))
        pieces = list(_pieces(text))
        for piece in pieces[:limit]:
            yield self._message(body, piece, done=False)
        if "done_false" in faults:
            return
        taken = time.monotonic_ns() - worked
        yield self._message(
            body,
            "",
            done=True,
            done_reason="length" if len(pieces) > limit else "stop",
            total_duration=time.monotonic_ns() - begun,
            load_duration=worked - begun,
            prompt_eval_count=prompt.tokens,
            prompt_eval_duration=taken // 2 + 1,
            eval_count=min(limit, len(pieces)),
            eval_duration=taken // 2 + 1,
        )

    def _room(
        self, body: dict[str, Any], options: dict[str, Any], loaded: Loaded, prompt: Prompt
    ) -> int:
        """Tokens that the answer may have."""
        wanted = int(options.get("num_predict", -1))
        limit = wanted if wanted > 0 else 10 * loaded.context
        if body.get("shift") is False:
            limit = min(limit, loaded.context - prompt.tokens + 1)
        return limit

    def _check_format(self, wanted: Any) -> None:
        if wanted is not None and not isinstance(wanted, dict) and wanted not in ("", "json"):
            text = json.dumps(json.dumps(wanted))
            raise Refused(
                500, f'invalid format: {text}; expected "json" or a valid JSON Schema object'
            )
        try:
            check_format(wanted, self._settings.era)
        except BadSchema as error:
            raise Refused(400 if self._settings.era == "new" else 500, str(error)) from None
        except KillsServer:
            print("SIGSEGV: segmentation violation", file=sys.stderr, flush=True)
            os._exit(2)

    def _message(
        self, body: dict[str, Any], content: str, *, done: bool, **rest: Any
    ) -> dict[str, Any]:
        return {
            "model": body["model"],
            "created_at": now(),
            "message": {"role": "assistant", "content": content},
            "done": done,
            **rest,
        }

    def _write_journal(self, body: dict[str, Any], faults: dict[str, Any], running: int) -> None:
        if self._settings.journal is None:
            return
        record = {
            "messages": _digest(body["messages"]),
            "format": _digest(body.get("format")),
            **{
                name: body.get(name)
                for name in ("model", "options", "stream", "truncate", "shift", "keep_alive")
            },
            "faults": sorted(faults),
            "running": running,
        }
        line = (json.dumps(record) + "\n").encode()
        handle = os.open(self._settings.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)

    def _counted(self) -> _Counted:
        return _Counted(self)


class _Counted:
    """How many requests are being answered, this one included."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def __enter__(self) -> int:
        with self._chat._lock:
            self._chat._running += 1
            return self._chat._running

    def __exit__(self, *_: object) -> None:
        with self._chat._lock:
            self._chat._running -= 1


def checked_options(body: dict[str, Any]) -> dict[str, Any]:
    """The request's options. Raises Refused for one of a wrong type."""
    options = body.get("options") or {}
    for name, value in options.items():
        if name not in _OPTION_TYPES:
            log("WARN", "types.go:753", "invalid option provided", option=name)
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Refused(500, f'option "{name}" must be of type {_OPTION_TYPES[name]}')
    return dict(options)


def whole(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """One message for a client that does not want a stream."""
    text = "".join(each["message"]["content"] for each in messages)
    return {**messages[-1], "message": {"role": "assistant", "content": text}}


def _digest(value: Any) -> str:
    """sha256 of a JSON value, so that no note is written anywhere."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()


def _pieces(text: str) -> Iterator[str]:
    """The text in tokens: pieces of at most four bytes, no character torn."""
    piece = ""
    for character in text:
        if piece and len((piece + character).encode()) > BYTES_A_TOKEN:
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece

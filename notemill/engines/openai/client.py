"""Asking a server with OpenAI's chat interface and JSON-schema answers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pydantic import Field

from notemill.config import Options
from notemill.config.experiment import BEYOND_OPENAI
from notemill.engines.client import Client
from notemill.engines.http import Http, Response
from notemill.engines.protocol import (
    End,
    EngineGone,
    PromptTooLong,
    Question,
    Reply,
    RequestFailed,
)
from notemill.engines.replies import Said, Tokens, read_reply
from notemill.engines.spliced import USER, Spliced
from notemill.errors import EngineRefused, NotemillError

_BUSY_PAUSE_S = 0.5
_BUSY = (429, 503)
_LARGEST_COUNT = 2**31
_FOR_GOOD = (400, 422)
_TOO_LONG = ("exceed_context_size", "exceeds the available context size",
             "maximum context length", "context_length_exceeded")  # fmt: skip
_ENDS = {"stop": End.STOP, "length": End.LENGTH}
_KIND_OF_ERROR = re.compile(r"[A-Za-z_]{1,40}(?:error|Error)")
_BUILD = re.compile(r"[!-~]{1,64}")


class _Message(Said):
    content: str | None = None


class _Choice(Said):
    message: _Message
    finish_reason: str | None = None


class _Usage(Said):
    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0
    prompt_tokens_details: object = None


class _Completion(Said):
    choices: list[_Choice] = Field(min_length=1, max_length=16)
    usage: _Usage | None = None
    timings: object = None
    system_fingerprint: object = None


class _Model(Said):
    id: str


class _Models(Said):
    data: list[_Model]


class OpenAiClient(Client):
    """Client of one server with one model. The same options go with every request."""

    description = "openai"

    def __init__(
        self,
        address: str,
        api_key: str,
        model: str,
        options: Options,
        http: Http | None = None,
    ) -> None:
        self._http = http or Http(address, api_key or "none", own=True)
        self._bodies = Spliced(self._body)
        self.address, self.key = address, api_key
        self._model = model
        self._top_p = options.top_p
        self._extra = _beyond_openai(options)
        self._fingerprint = ""

    @property
    def system_fingerprint(self) -> str:
        """What the server last said of its own build, empty if it says nothing."""
        return self._fingerprint

    async def models(self) -> list[str]:
        """Names of the models that the server has.

        Raises EngineGone while it gives none, RequestFailed when it is no such server.
        """
        response = await self._http.get("/models")
        if response.status == 401:
            raise EngineRefused(
                "the engine refuses the key",
                where="engines.*.api_key_file",
                remedy="put the right key into the file",
            )
        if not response.ok:
            raise EngineGone(f"status {response.status}")
        return [model.id for model in read_reply(_Models, response.body).data]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _chat(self, question: Question, its_turn: Callable[[], None]) -> Reply:
        sent = self._bodies.body(question)
        path, alone = "/chat/completions", its_turn if question.alone else None
        while (response := await self._http.post(path, sent, alone=alone)).status in _BUSY:
            await asyncio.sleep(_BUSY_PAUSE_S)
        if not response.ok:
            raise _refusal(response)
        body = read_reply(_Completion, response.body)
        build = body.system_fingerprint
        if isinstance(build, str) and _BUILD.fullmatch(build):
            self._fingerprint = build
        choice = body.choices[0]
        usage = body.usage or _Usage()
        return Reply(
            text=choice.message.content or "",
            end=_ENDS.get(choice.finish_reason or "", End.ABORTED),
            prompt_tokens=usage.prompt_tokens,
            answer_tokens=usage.completion_tokens,
            cached_tokens=_cached(body),
        )

    def _body(self, question: Question) -> dict[str, Any]:
        return {
            "model": self._model,
            "messages": [
                {"role": "system", "content": question.system},
                {"role": "user", "content": USER},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": question.json_schema},
            },
            "max_tokens": question.num_predict,
            "seed": question.seed,
            "temperature": question.temperature,
            "top_p": self._top_p,
            **self._extra,
        }


def _cached(body: _Completion) -> int | None:
    """As llama.cpp says it, or vLLM; whoever says it otherwise does not say it."""
    details = body.usage.prompt_tokens_details if body.usage else None
    for said, name in ((body.timings, "cache_n"), (details, "cached_tokens")):
        if isinstance(said, dict) and isinstance(tokens := said.get(name), int):
            return tokens if 0 <= tokens < _LARGEST_COUNT else None
    return None


def _beyond_openai(options: Options) -> dict[str, Any]:
    """What stands beside OpenAI's own fields of a request."""
    fields = {name: value for name, value in options.as_sent().items() if name in BEYOND_OPENAI}
    if "repeat_penalty" in fields:  # llama.cpp's name for it; and vLLM's and SGLang's
        fields["repetition_penalty"] = fields["repeat_penalty"]
    fields |= options.extra
    if options.think is not None:
        template = fields.get("chat_template_kwargs") or {}
        fields["chat_template_kwargs"] = {**template, "enable_thinking": options.think}
    return fields


def _refusal(response: Response) -> Exception:
    text = response.text
    if any(words in text for words in _TOO_LONG):
        return PromptTooLong("refused by the engine: longer than the context")
    error: Any = None
    with suppress(ValueError, AttributeError, RecursionError):
        said = json.loads(text)
        error = said.get("error", said)
    if not isinstance(error, dict):
        error = {"message": error if isinstance(error, str) else text}
    # Servers may quote the request or the answer in their words, so only the status and the kind
    # of the error are told.
    kind = str(error.get("type"))
    known = _KIND_OF_ERROR.fullmatch(kind)
    told = f"status {response.status}, {kind}" if known else response.told
    if response.status in (401, 403, 404):
        return NotemillError(
            f"the engine refuses every such request ({told})",
            where="engines.*: address, api_key_file; experiments.*.model",
            remedy="correct the key or the model's name; the engine's log has its words",
        )
    words = str(error.get("message", text))
    return RequestFailed(told, words=words, for_good=response.status in _FOR_GOOD)

"""Asking Ollama: one request, and what its answer or refusal means."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import httpx
import ollama

from notemill.answers import End, Question, Reply
from notemill.config import Options
from notemill.engines.protocol import (
    AnswerTimeout,
    EngineGone,
    PromptTooLong,
    RequestFailed,
)
from notemill.errors import NotemillError

_BUSY_PAUSE_S = 0.5
_TOO_LONG = (
    "input length exceeds the context length",  # 0.12.6 to 0.24
    "prompt is longer than the context length",  # from 0.30, models with a template
    "exceeds the available context size",  # from 0.30, the others
)
_ENDS = {"stop": End.STOP, "length": End.LENGTH}


class OllamaClient:
    """Client of one server with one model. The same options go with every request."""

    baseline: int = 0
    description: str = "ollama"

    def __init__(
        self, address: str, model: str, options: Options, runner_options: dict[str, Any]
    ) -> None:
        # trust_env=False: a proxy of the site has no business with loopback.
        self._client = _BatchClient(host=address, timeout=None, trust_env=False)
        self._model = model
        self._think = options.think
        self._num_ctx = options.num_ctx
        self._options = {
            "num_ctx": options.num_ctx,
            "top_k": options.top_k,
            "top_p": options.top_p,
            "min_p": options.min_p,
            "repeat_penalty": options.repeat_penalty,
            **options.extra,
            **runner_options,
        }
        self.cuts_long_prompts = False
        self._baseline_without_system: int | None = None

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        """One answer; see Engine.ask."""
        try:
            async with asyncio.timeout(timeout_s):
                expected = await self._expected_tokens(question)
                reply = await self._chat(question)
        except TimeoutError:
            raise AnswerTimeout from None
        if expected is not None and reply.prompt_tokens < expected:
            raise PromptTooLong(
                f"{reply.prompt_tokens} of {expected} prompt tokens were read: the prompt was cut"
            )
        return reply

    async def version(self) -> str:
        """The server's version."""
        return str((await self._get("/api/version"))["version"])

    async def digest(self) -> str | None:
        """The model's digest as the server sees it, None if it does not have the model."""
        for model in (await self._get("/api/tags"))["models"]:
            if model["name"] in (self._model, f"{self._model}:latest"):
                return str(model["digest"]).removeprefix("sha256:")
        return None

    async def preload(self, timeout_s: float) -> None:
        """Load the model with the experiment's options, so that the first note finds it ready."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._guarded(
                    self._client.chat_whole(model=self._model, messages=[], options=self._options)
                )
        except TimeoutError:
            raise NotemillError(
                f"the model was not loaded in {timeout_s:g} s",
                where="engines.*.start_timeout_s",
                remedy="raise it; on a slow file system copy the model store to a local disk",
            ) from None
        except RequestFailed as error:
            raise NotemillError(
                f"the engine can't load the model: {error}",
                where="the engine's log, beside this job's log",
                remedy="when memory is short: fewer slots, a smaller num_ctx, or a larger GPU",
            ) from error

    async def loaded(self) -> dict[str, Any]:
        """What /api/ps says of the model: size and size_vram (bytes), context_length (tokens)."""
        models = (await self._get("/api/ps"))["models"]
        return dict(models[0]) if models else {}

    async def measure_cutting(self, empty: Question) -> None:
        """For servers that cut a long prompt in silence: learn to foresee its tokens."""
        self.cuts_long_prompts = True
        self._baseline_without_system = (await self._count_without_system(empty)).prompt_tokens

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def _expected_tokens(self, question: Question) -> int | None:
        """Tokens of the whole prompt, where the server would cut and the prompt might not fit.

        The user's message alone is counted by the server itself; the system's part is known.
        """
        if not self.cuts_long_prompts or self._baseline_without_system is None:
            return None
        if len(question.user.encode()) + self.baseline + question.num_predict < self._num_ctx:
            return None  # no token is shorter than a byte: it fits
        alone = await self._count_without_system(question)
        expected = alone.prompt_tokens + self.baseline - self._baseline_without_system
        if expected + 1 >= self._num_ctx or alone.prompt_tokens + 1 >= self._num_ctx:
            raise PromptTooLong(f"at least {expected} tokens in a context of {self._num_ctx}")
        return expected

    async def _count_without_system(self, question: Question) -> Reply:
        message = {"role": "user", "content": question.user}
        return await self._send([message], question, num_predict=1)

    async def _chat(self, question: Question) -> Reply:
        messages = [
            {"role": "system", "content": question.system},
            {"role": "user", "content": question.user},
        ]
        return await self._send(messages, question, num_predict=question.num_predict)

    async def _send(
        self, messages: list[dict[str, str]], question: Question, *, num_predict: int
    ) -> Reply:
        sampling = {
            "num_predict": num_predict,
            "seed": question.seed,
            "temperature": question.temperature,
        }
        body = await self._guarded(
            self._client.chat_whole(
                model=self._model,
                messages=messages,
                format=question.json_schema,
                options=self._options | sampling,
                **({} if self._think is None else {"think": self._think}),
            )
        )
        return Reply(
            text=body.message.content or "",
            end=_ENDS.get(body.done_reason or "", End.ABORTED) if body.done else End.ABORTED,
            prompt_tokens=body.prompt_eval_count or 0,
            answer_tokens=body.eval_count or 0,
        )

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            return dict(await self._client.get_json(path))
        except (httpx.HTTPError, ConnectionError, ollama.ResponseError) as error:
            raise EngineGone(f"{path}: {type(error).__name__}") from error

    async def _guarded(self, request: Any) -> ollama.ChatResponse:
        """Send a request, waiting while the server is busy loading, and sort its refusals."""
        while True:
            try:
                reply: ollama.ChatResponse = await request()
                return reply
            except ollama.ResponseError as error:
                if error.status_code == 503:
                    await asyncio.sleep(_BUSY_PAUSE_S)
                    continue
                raise _refusal(error) from error
            except (httpx.TransportError, ConnectionError) as error:
                raise EngineGone(type(error).__name__) from error


class _BatchClient(ollama.AsyncClient):
    """The official client with two fields that it has no arguments for yet: truncate and shift.

    Servers from 0.12.6 on then refuse a prompt that is too long, instead of cutting it.
    """

    def chat_whole(self, **fields: Any) -> Any:
        """A request for an uncut chat, to be awaited as often as need be."""
        body = {**fields, "stream": False, "truncate": False, "shift": False, "keep_alive": -1}

        async def send() -> ollama.ChatResponse:
            return await self._request(ollama.ChatResponse, "POST", "/api/chat", json=body)

        return send

    async def get_json(self, path: str) -> Any:
        """A plain GET."""
        reply = await self._request_raw("GET", path, timeout=60)  # type: ignore[no-untyped-call]
        return reply.json()


def _refusal(error: ollama.ResponseError) -> Exception:
    """What a refusal means. What Ollama refuses for good, it has refused to the probes already."""
    text = _plain(error.error)
    if any(words in text for words in _TOO_LONG):
        return PromptTooLong("refused by the engine: longer than the context")
    return RequestFailed(f"Ollama answered {error.status_code}: {text}")


def _plain(text: str) -> str:
    """The server's words, unwrapped from JSON and short; they never quote a prompt."""
    with suppress(ValueError, AttributeError):
        text = json.loads(text).get("error", text)
    return str(text)[:200]

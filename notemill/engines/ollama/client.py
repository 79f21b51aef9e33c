"""Asking Ollama: one request, and what its answer means."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import httpx

from notemill.config import Options
from notemill.engines.client import Client
from notemill.engines.ollama.refusals import Refused, not_loaded
from notemill.engines.protocol import End, EngineGone, Question, Reply, RequestFailed
from notemill.engines.replies import Said, Tokens, read_reply
from notemill.errors import NotemillError

_BUSY_PAUSE_S = 0.5
_GET_S = 60.0
_ENDS = {"stop": End.STOP, "length": End.LENGTH}


class _Message(Said):
    content: str = ""


class _Chat(Said):
    message: _Message
    done: bool
    done_reason: str | None = None
    prompt_eval_count: Tokens = 0
    eval_count: Tokens = 0


class _Version(Said):
    version: str


class _Tag(Said):
    name: str
    digest: str


class _Tags(Said):
    models: list[_Tag]


class Loaded(Said):
    """What /api/ps says of a loaded model: bytes, and tokens of context."""

    size: int = 0
    size_vram: int = 0
    context_length: int | None = None


class _Ps(Said):
    models: list[Loaded]


_Read = TypeVar("_Read", _Version, _Tags, _Ps)


class OllamaClient(Client):
    """Client of one server with one model. The same options go with every request."""

    description = "ollama"

    def __init__(
        self, address: str, model: str, options: Options, runner_options: dict[str, Any]
    ) -> None:
        # trust_env=False: a proxy of the site has no business with loopback.
        self._client = httpx.AsyncClient(base_url=address, timeout=None, trust_env=False)
        self.address = address
        self._model = model
        self._think = options.think
        self._options = {
            "num_ctx": options.num_ctx,
            "top_k": options.top_k,
            "top_p": options.top_p,
            "min_p": options.min_p,
            "repeat_penalty": options.repeat_penalty,
            **runner_options,
            **options.extra,
        }

    async def version(self) -> str:
        """The server's version."""
        return (await self._get(_Version, "/api/version")).version

    async def digest(self) -> str | None:
        """The model's digest as the server sees it, None if it does not have the model."""
        for model in (await self._get(_Tags, "/api/tags")).models:
            if model.name in (self._model, f"{self._model}:latest"):
                return model.digest.removeprefix("sha256:")
        return None

    async def preload(self, timeout_s: float) -> None:
        """Load the model with the experiment's options, so that the first note finds it ready.

        Raises NotemillError with Ollama's own words: it has not read any note yet.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._chatted({"messages": [], "options": self._options})
        except TimeoutError:
            raise NotemillError(
                f"the model was not loaded in {timeout_s:g} s",
                where="engines.*.start_timeout_s",
                remedy="raise it; on a slow file system copy the model store to a local disk",
            ) from None
        except Refused as refusal:
            raise not_loaded(refusal.words) from None
        except RequestFailed as error:
            raise not_loaded(str(error)) from None

    async def loaded(self) -> Loaded:
        """What /api/ps says of the model."""
        models = (await self._get(_Ps, "/api/ps")).models
        return models[0] if models else Loaded()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _chat(self, question: Question) -> Reply:
        sampling = {
            "num_predict": question.num_predict,
            "seed": question.seed,
            "temperature": question.temperature,
        }
        body: dict[str, Any] = {
            "messages": [
                {"role": "system", "content": question.system},
                {"role": "user", "content": question.user},
            ],
            "format": question.json_schema,
            "options": self._options | sampling,
        }
        if self._think is not None:
            body["think"] = self._think
        try:
            chat = await self._chatted(body)
        except Refused as refusal:
            raise refusal.meaning() from None
        return Reply(
            text=chat.message.content,
            end=_ENDS.get(chat.done_reason or "", End.ABORTED) if chat.done else End.ABORTED,
            prompt_tokens=chat.prompt_eval_count,
            answer_tokens=chat.eval_count,
        )

    async def _get(self, kind: type[_Read], path: str) -> _Read:
        try:
            reply = await self._client.get(path, timeout=_GET_S)
            if reply.status_code != httpx.codes.OK:
                raise RequestFailed(f"status {reply.status_code}")
            return read_reply(kind, reply.content)
        except httpx.TransportError as error:
            raise EngineGone(f"{path}: {type(error).__name__}") from error
        except (RequestFailed, httpx.DecodingError) as error:
            raise NotemillError(
                f"Ollama answers {path} with {error or 'what can not be decoded'}",
                where=self.address,
                remedy="is engines.*.command an Ollama? Read the engine's log, beside this job's",
            ) from None

    async def _chatted(self, body: dict[str, Any]) -> _Chat:
        """Send a chat, waiting while the server is busy loading. Raises Refused.

        With truncate and shift a prompt that is too long is refused instead of cut.
        """
        body = {"model": self._model, "stream": False, "keep_alive": -1, **body}
        body |= {"truncate": False, "shift": False}
        while True:
            try:
                reply = await self._client.post("/api/chat", json=body)
            except httpx.TransportError as error:
                raise EngineGone(type(error).__name__) from error
            except httpx.DecodingError:
                raise RequestFailed("a reply that can not be decoded") from None
            if reply.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                await asyncio.sleep(_BUSY_PAUSE_S)
            elif reply.status_code != httpx.codes.OK:
                raise Refused(reply)
            else:
                return read_reply(_Chat, reply.content)

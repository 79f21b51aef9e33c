"""Asking Ollama: one request, and what its answer means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from notemill.config import Options
from notemill.engines.client import Client, key_refused
from notemill.engines.http import Http
from notemill.engines.ollama.held import HeldModel
from notemill.engines.ollama.looks import Looks
from notemill.engines.ollama.refusals import Refused, not_loaded
from notemill.engines.protocol import End, EngineGone, Question, Reply, RequestFailed
from notemill.engines.replies import Said, Tokens, read_reply
from notemill.engines.spliced import USER, Spliced, as_json
from notemill.errors import EngineRefused, NotemillError

_BUSY_PAUSE_S = 0.5
_GET_S = 60.0
_LOOK_EVERY_S = 30.0
"""Seconds between looks at where the model is: a look takes milliseconds."""
WHOLE = 0.99
"""Ollama rounds the share of a model that is wholly on the GPU."""
_NOT_ALLOWED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
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

    name: str = ""
    size: int = 0
    size_vram: int = 0
    context_length: int | None = None

    @property
    def share(self) -> float:
        """Of the model on the GPU, 0 to 1."""
        return self.size_vram / self.size if self.size else 0.0


class _Ps(Said):
    models: list[Loaded]


_Read = TypeVar("_Read", _Version, _Tags, _Ps)


class OllamaClient(Client):
    """Client of one server with one model. The same options go with every request."""

    description = "ollama"

    def __init__(
        self,
        address: str,
        model: str,
        options: Options,
        runner_options: dict[str, Any],
        http: Http | None = None,
    ) -> None:
        self._http = http or Http(address, own=True)
        self._bodies = Spliced(self._body)
        self.address = address
        self.is_elsewhere = http is not None
        self._model = model
        self.holds_to: str | None = None
        """A digest that the model of its name must have after every answer, None for any."""
        self._unchanged = Looks(self._refuse_another)
        self.held: HeldModel | None = None
        """The same of an Ollama of ours, whose store lies here."""
        self.stays_on_gpu = False
        """Whether that is looked at now and then: Ollama loads a model again that it has lost, and
        on the CPU where it does not find the GPU any more, without a word."""
        self._next_look = 0.0
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
            if self._is_named(model.name):
                return model.digest.removeprefix("sha256:")
        return None

    async def preload(self, timeout_s: float) -> None:
        """Load the model with the experiment's options, so that the first note finds it ready.

        Raises NotemillError with Ollama's own words: it has not read any note yet.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._chatted(
                    as_json(self._request({"messages": [], "options": self._options}))
                )
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
        # Others may have loaded theirs beside it; or it, under another name of the same.
        own = (each for each in models if self._is_named(each.name))
        return next(own, models[0] if models else Loaded())

    def _is_named(self, name: str) -> bool:
        return name in (self._model, f"{self._model}:latest")

    async def close(self) -> None:
        """Close the connections."""
        await self._unchanged.close()
        await self._http.close()

    async def _chat(self, question: Question, its_turn: Callable[[], None]) -> Reply:
        alone = its_turn if question.alone else None
        began = self.held.seen if self.held else None
        try:
            chat = await self._chatted(self._bodies.body(question), alone)
        except Refused as refusal:
            self._next_look = 0.0
            raise refusal.meaning() from None
        if self.held:
            self.held.check(began)
        if self.holds_to is not None:
            await self._unchanged.since_now()
        if self.stays_on_gpu and time.monotonic() >= self._next_look:
            await self._refuse_cpu()
        return Reply(
            text=chat.message.content,
            end=_ENDS.get(chat.done_reason or "", End.ABORTED) if chat.done else End.ABORTED,
            prompt_tokens=chat.prompt_eval_count,
            answer_tokens=chat.eval_count,
        )

    async def _refuse_another(self) -> None:
        try:
            digest = await self.digest()
        except EngineRefused:
            raise
        except NotemillError as error:  # a gateway's moment
            raise RequestFailed(error.what) from None
        if digest != self.holds_to:
            raise EngineRefused(
                f"its model '{self._model}' has become another: its digest is {digest}, and was "
                f"{self.holds_to}",
                where=self.address,
                remedy="let it have the recorded model again; the last answer is not taken",
            )

    async def _refuse_cpu(self) -> None:
        self._next_look = time.monotonic() + _LOOK_EVERY_S
        try:
            loaded = await self.loaded()
        except NotemillError as error:
            raise RequestFailed(error.what) from None
        if loaded.share < WHOLE:
            self._next_look = 0.0
            if loaded.size:  # without one it is not loaded again yet
                raise EngineGone(
                    f"Ollama has loaded the model again, and only {loaded.share:.0%} of it is on "
                    "the GPU, where all of it was"
                )

    def _body(self, question: Question) -> dict[str, Any]:
        sampling = {
            "num_predict": question.num_predict,
            "seed": question.seed,
            "temperature": question.temperature,
        }
        body: dict[str, Any] = {
            "messages": [
                {"role": "system", "content": question.system},
                {"role": "user", "content": USER},
            ],
            "format": question.json_schema,
            "options": self._options | sampling,
        }
        if self._think is not None:
            body["think"] = self._think
        return self._request(body)

    def _request(self, body: dict[str, Any]) -> dict[str, Any]:
        """With truncate and shift a prompt that is too long is refused instead of cut."""
        always = {"model": self._model, "stream": False, "keep_alive": -1}
        return {**always, **body, "truncate": False, "shift": False}

    async def _get(self, kind: type[_Read], path: str) -> _Read:
        try:
            async with asyncio.timeout(_GET_S):
                response = await self._http.get(path)
            if response.status in _NOT_ALLOWED and self.is_elsewhere:
                raise key_refused(self.address)
            if response.status != HTTPStatus.OK:
                raise RequestFailed(f"status {response.status}")
            return read_reply(kind, response.body)
        except (EngineGone, TimeoutError) as error:
            raise EngineGone(f"{path}: {error or 'no answer in time'}") from None
        except RequestFailed as error:
            raise NotemillError(
                f"Ollama answers {path} with {error}",
                where=self.address,
                remedy="is an Ollama there? Something else answers"
                if self.is_elsewhere
                else "is engines.*.command an Ollama? Read the engine's log, beside this job's",
            ) from None

    async def _chatted(self, body: bytes, alone: Callable[[], None] | None = None) -> _Chat:
        """Send a chat, waiting while the server is busy loading. Raises Refused."""
        busy = HTTPStatus.SERVICE_UNAVAILABLE
        while (response := await self._http.post("/api/chat", body, alone=alone)).status == busy:
            await asyncio.sleep(_BUSY_PAUSE_S)
        if response.status in _NOT_ALLOWED and self.is_elsewhere:
            raise key_refused(self.address)
        if response.status != HTTPStatus.OK:
            raise Refused(response)
        return read_reply(_Chat, response.body)

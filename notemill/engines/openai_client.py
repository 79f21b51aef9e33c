"""Asking a server with OpenAI's chat interface and JSON-schema answers."""

from __future__ import annotations

import asyncio

import openai
from openai import DefaultAsyncHttpxClient

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
_BUSY = (429, 503)
_TOO_LONG = ("exceed_context_size", "exceeds the available context size",
             "maximum context length", "context_length_exceeded")  # fmt: skip
_ENDS = {"stop": End.STOP, "length": End.LENGTH}


class OpenAiClient:
    """Client of one server with one model. The same options go with every request."""

    baseline: int = 0
    description: str = "openai"

    def __init__(self, address: str, api_key: str, model: str, options: Options) -> None:
        # trust_env=False: a proxy of the site has no business with loopback.
        loopback = address.startswith("http://")
        self._client = openai.AsyncOpenAI(
            base_url=address,
            api_key=api_key or "none",
            max_retries=0,  # retries are ours: each changes something and is counted
            timeout=None,
            http_client=DefaultAsyncHttpxClient(trust_env=not loopback),
        )
        self._model = model
        self._top_p = options.top_p
        self._extra = dict(options.extra)
        if options.think is not None:
            self._extra["chat_template_kwargs"] = {"enable_thinking": options.think}
        self._fingerprint = ""

    @property
    def system_fingerprint(self) -> str:
        """What the server last said of its own build, empty if it says nothing."""
        return self._fingerprint

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        """One answer; see Engine.ask."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._chat(question)
        except TimeoutError:
            raise AnswerTimeout from None

    async def models(self) -> list[str]:
        """Names of the models that the server has. Raises EngineGone while it has none."""
        try:
            return [model.id for model in (await self._client.models.list()).data]
        except openai.AuthenticationError as error:
            raise NotemillError(
                "the engine refuses the key",
                where="engines.*.api_key_file",
                remedy="put the right key into the file",
            ) from error
        except openai.OpenAIError as error:
            raise EngineGone(type(error).__name__) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _chat(self, question: Question) -> Reply:
        while True:
            try:
                body = await self._client.chat.completions.create(
                    model=self._model,
                    messages=[
                        {"role": "system", "content": question.system},
                        {"role": "user", "content": question.user},
                    ],
                    response_format={
                        "type": "json_schema",
                        "json_schema": {
                            "name": "answer",
                            "strict": True,
                            "schema": question.json_schema,
                        },
                    },
                    max_tokens=question.num_predict,
                    seed=question.seed,
                    temperature=question.temperature,
                    top_p=self._top_p,
                    extra_body=self._extra or None,
                )
                break
            except openai.APIStatusError as error:
                if error.status_code in _BUSY:
                    await asyncio.sleep(_BUSY_PAUSE_S)
                    continue
                raise _refusal(error) from error
            except openai.APIConnectionError as error:
                raise EngineGone(type(error).__name__) from error
        self._fingerprint = body.system_fingerprint or self._fingerprint
        choice = body.choices[0]
        return Reply(
            text=choice.message.content or "",
            end=_ENDS.get(choice.finish_reason, End.ABORTED),
            prompt_tokens=body.usage.prompt_tokens if body.usage else 0,
            answer_tokens=body.usage.completion_tokens if body.usage else 0,
        )


def _refusal(error: openai.APIStatusError) -> Exception:
    text = str(error.message)
    if any(words in text for words in _TOO_LONG):
        return PromptTooLong("refused by the engine: longer than the context")
    # Servers may quote the request in their words, so only the status and the kind are told.
    told = f"status {error.status_code}, {error.type or type(error).__name__}"
    if error.status_code in (401, 403, 404):
        return NotemillError(
            f"the engine refuses every such request ({told})",
            where="engines.*: address, api_key_file; experiments.*.model",
            remedy="correct the key or the model's name; the engine's log has its words",
        )
    return RequestFailed(told)

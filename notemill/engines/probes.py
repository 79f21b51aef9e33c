"""What every engine must prove before the first note, in a few requests."""

from __future__ import annotations

import json
from typing import Any, Protocol

from notemill.answers import End, Question, Reply
from notemill.config import Options
from notemill.engines.protocol import AnswerTimeout, PromptTooLong, RequestFailed
from notemill.errors import NotemillError
from notemill.tasks import Task

_PROBE_S = 600.0
# Unnatural words in an order that is not the alphabet's: only a constraint produces them.
_PROBE_ANSWER = {"zulu": "q7x", "alpha": "v3k"}
_PROBE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {key: {"type": "string", "enum": [word]} for key, word in _PROBE_ANSWER.items()},
    "required": list(_PROBE_ANSWER),
}


class Askable(Protocol):
    """A client as it is before it is proven."""

    async def ask(self, question: Question, timeout_s: float) -> Reply: ...


async def prove_schema(client: Askable, task: Task, options: Options) -> None:
    """The schema constrains the answer, and its fields keep their order where it matters."""
    question = _question("Answer.", "Write one word.", _PROBE_SCHEMA, options, num_predict=96)
    reply = await _ask(client, question, "the schema probe")
    try:
        answer = json.loads(reply.text)
    except ValueError:
        answer = None
    if reply.end is not End.STOP or answer != _PROBE_ANSWER:
        raise NotemillError(
            "the engine does not hold to a JSON schema with this model",
            where="the schema probe before the first note",
            remedy="use an instruct model without thinking, or options.think: false; some "
            "versions ignore the schema for some models: try another version",
        )
    fields = list(task.json_schema["properties"])
    if list(answer) != list(_PROBE_ANSWER) and fields != sorted(fields):
        raise NotemillError(
            "the engine writes the answer's fields in alphabetical order, not in the schema's "
            f"({', '.join(fields)})",
            where="the schema probe before the first note",
            remedy="name the fields so that the alphabet gives the order you want, or create the "
            "model with a TEMPLATE in its Modelfile",
        )


async def measure_baseline(client: Askable, task: Task, options: Options) -> int:
    """Prompt tokens around an empty note; the context must hold them and an answer."""
    reply = await _ask(client, empty_note(task, options), "the probe with an empty note")
    if reply.prompt_tokens <= 0:
        raise NotemillError(
            "the engine does not say how many tokens a prompt took, so a cut prompt would go "
            "unseen",
            where="the probe with an empty note",
            remedy="use a server that reports usage (Ollama, llama.cpp, vLLM)",
        )
    room = options.num_ctx - reply.prompt_tokens - options.num_predict
    if room <= 0:
        raise NotemillError(
            f"the prompts take {reply.prompt_tokens} tokens and the answer up to "
            f"{options.num_predict}: num_ctx {options.num_ctx} leaves none for the note",
            where="experiments.*.options",
            remedy="raise num_ctx (the longest note + prompts + num_predict), or shorten the "
            "prompts",
        )
    return reply.prompt_tokens


def empty_note(task: Task, options: Options) -> Question:
    """The task's question about no note, for its prompt tokens: one token of answer."""
    return _question(
        task.system_prompt, task.user_message(""), task.json_schema, options, num_predict=1
    )


async def refuses_long_prompt(client: Askable, task: Task, options: Options) -> bool:
    """Whether a prompt beyond the context is refused; False: it is cut without a word."""
    question = _question(
        task.system_prompt,
        task.user_message("too long " * options.num_ctx),
        task.json_schema,
        options,
        num_predict=8,
    )
    try:
        await client.ask(question, _PROBE_S)
    except (PromptTooLong, RequestFailed):
        return True
    except AnswerTimeout:
        raise _no_answer("the probe with a prompt beyond the context") from None
    return False


def _question(
    system: str, user: str, schema: dict[str, Any], options: Options, *, num_predict: int
) -> Question:
    return Question(system, user, schema, num_predict, options.seed, options.temperature)


async def _ask(client: Askable, question: Question, probe: str) -> Reply:
    try:
        return await client.ask(question, _PROBE_S)
    except AnswerTimeout:
        raise _no_answer(probe) from None
    except RequestFailed as error:
        raise NotemillError(
            f"the engine fails before the first note: {error}",
            where=probe,
            remedy="read the engine's log, beside this job's log",
        ) from error
    except PromptTooLong:
        raise NotemillError(
            "the prompts alone do not fit the context",
            where="experiments.*.options.num_ctx",
            remedy="raise num_ctx, or shorten the prompts",
        ) from None


def _no_answer(probe: str) -> NotemillError:
    return NotemillError(
        f"the engine gave no answer in {_PROBE_S:g} s",
        where=probe,
        remedy="is the model on the GPU? Read the engine's log, beside this job's log",
    )

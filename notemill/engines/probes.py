"""What every engine must prove before the first note, in a few requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from notemill.config import Options
from notemill.engines.protocol import (
    AnswerTimeout,
    End,
    PromptTooLong,
    Question,
    Reply,
    RequestFailed,
)
from notemill.errors import EngineRefused, NotemillError
from notemill.tasks.task import Task

PROBE_S = 600.0
_SHORT_NOTES = ("a", "s", "I", "x", "1", "0", ".", "-", ")", "no", "Clear", "é")
"""Of one token or two, to see what the end of the prompt makes of them."""
_ONE_TOKEN = 256
"""Characters: no vocabulary has a longer token."""
_TOKENS_BESIDE = 64
"""What a template may add around a message, and a prompt's words cut otherwise."""
_NORMALISED = 6
"""Times as many bytes, at most, has a text that a vocabulary has brought to one form (NFKC)."""
# Unnatural words in an order that is not the alphabet's: only a constraint produces them.
_PROBE_ANSWER = {"zulu": "q7x", "alpha": "v3k"}
_PROBE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {key: {"type": "string", "enum": [word]} for key, word in _PROBE_ANSWER.items()},
    "required": list(_PROBE_ANSWER),
}


class Askable(Protocol):
    """A client as it is before it is proven. address: for messages."""

    @property
    def address(self) -> str: ...

    async def ask(self, question: Question, timeout_s: float) -> Reply: ...


@dataclass(frozen=True)
class PromptSize:
    """What a task's prompts take of the context without a note.

    empty: prompt tokens around an empty note. least: the fewest around a short one: `Note: ` and
    `x` may be as many tokens as `Note: ` alone. characters: of the user's message around no note.
    """

    empty: int
    least: int
    characters: int

    @property
    def baseline(self) -> int:
        """Prompt tokens that every prompt with a note exceeds."""
        return min(self.empty, self.least - 1)

    def check(self, question: Question, reply: Reply) -> None:
        """Raise RequestFailed for a reply that can't be this question's.

        Its note, longer than any token, added none; or more tokens than it has bytes; or the answer
        is longer than its tokens can be.
        """
        note = len(question.user) - self.characters
        most = (
            self.empty
            + _TOKENS_BESIDE
            + len(question.user.encode()) * (1 if question.user.isascii() else _NORMALISED)
        )
        if reply.end is End.STOP and reply.prompt_tokens > most:
            raise RequestFailed(
                f"{reply.prompt_tokens} prompt tokens, which this prompt can't have: the engine "
                "read another"
            )
        if len(reply.text) > _ONE_TOKEN * question.num_predict:
            raise RequestFailed(
                f"an answer of {len(reply.text)} characters, more than {question.num_predict} "
                "tokens can be"
            )
        if note > _ONE_TOKEN and reply.end is End.STOP and reply.prompt_tokens <= self.empty:
            raise RequestFailed(
                f"{reply.prompt_tokens} prompt tokens, {self.empty} without a note: the prompt was "
                "not read whole"
            )


async def prove_schema(
    client: Askable,
    task: Task,
    options: Options,
    timeout_s: float = PROBE_S,
    *,
    beside: Sequence[Task] = (),
) -> None:
    """The schema constrains the answer, and its fields keep their order where it matters.

    One request. beside: other tasks that it holds for.
    """
    question = _question("Answer.", "Write one word.", _PROBE_SCHEMA, options, num_predict=96)
    reply = await _ask(client, question, "the schema probe", timeout_s)
    try:
        answer = json.loads(reply.text)
    except ValueError:
        answer = None
    if reply.end is not End.STOP or answer != _PROBE_ANSWER:
        raise EngineRefused(
            "the engine does not hold to a JSON schema with this model",
            where="the schema probe before the first note",
            remedy="use an instruct model without thinking, or options.think: false; some "
            "versions ignore the schema for some models: try another version",
        )
    in_order = list(answer) == list(_PROBE_ANSWER)
    for fields in (list(each.json_schema["properties"]) for each in (task, *beside)):
        if in_order or fields == sorted(fields):
            continue
        raise EngineRefused(
            "the engine writes the answer's fields in alphabetical order, not in the schema's "
            f"({', '.join(fields)})",
            where="the schema probe before the first note",
            remedy="name the fields so that the alphabet gives the order you want, or create the "
            "model with a TEMPLATE in its Modelfile",
        )


async def measure_prompts(
    client: Askable,
    task: Task,
    options: Options,
    timeout_s: float = PROBE_S,
    *,
    known: PromptSize | None = None,
) -> PromptSize:
    """Prompt tokens around an empty note and short ones; the context must hold them and an answer.

    A few requests of one token each. known: as another server of this process measured them; holds
    if the empty note takes as many tokens here.
    """

    async def tokens(user: str) -> int:
        question = _question(task.system_message, user, task.json_schema, options, num_predict=1)
        return (await _ask(client, question, "the probe of the prompts", timeout_s)).prompt_tokens

    before = task.user_message("")
    empty = await tokens(before)
    if empty <= 0:
        raise EngineRefused(
            "the engine does not say how many tokens a prompt took, so a cut prompt would go "
            "unseen",
            where=f"{client.address}, the probe with an empty note",
            remedy="use a server that reports usage (Ollama, llama.cpp, vLLM)",
        )
    room = options.num_ctx - empty - options.num_predict
    if room <= 0:
        raise EngineRefused(
            f"the prompts take {empty} tokens and the answer up to "
            f"{options.num_predict}: num_ctx {options.num_ctx} leaves none for the note",
            where="experiments.*.options",
            remedy="raise num_ctx (the longest note + prompts + num_predict), or shorten the "
            "prompts",
        )
    if known and known.empty == empty:
        return known
    least = min([await tokens(task.user_message(note)) for note in _SHORT_NOTES])
    # A note may end the prompt's last word, and make one token of it.
    if before[-1:].isalnum() and not task.note_first:
        least = min(least, await tokens(before[: -len(before.split()[-1])].rstrip()))
    return PromptSize(empty, least, len(before))


async def prove_long_prompt_refused(
    client: Askable,
    task: Task,
    options: Options,
    timeout_s: float = PROBE_S,
    *,
    where: str,
    remedy: str,
) -> None:
    """A prompt beyond the context is refused, not cut without a word."""
    question = _question(
        task.system_message,
        task.user_message("too long " * options.num_ctx),
        task.json_schema,
        options,
        num_predict=8,
    )
    try:
        await client.ask(question, timeout_s)
    except (PromptTooLong, RequestFailed):
        return
    except AnswerTimeout:
        raise _no_answer(client, "the probe of a prompt beyond the context", timeout_s) from None
    raise EngineRefused(
        f"the engine answers a prompt longer than num_ctx ({options.num_ctx} tokens): either "
        "it cuts prompts without a word, or its context is larger",
        where=where,
        remedy=remedy,
    )


def _question(
    system: str, user: str, schema: dict[str, Any], options: Options, *, num_predict: int
) -> Question:
    return Question(system, user, schema, num_predict, options.seed, options.temperature)


async def _ask(client: Askable, question: Question, probe: str, timeout_s: float) -> Reply:
    try:
        return await client.ask(question, timeout_s)
    except AnswerTimeout:
        raise _no_answer(client, probe, timeout_s) from None
    except RequestFailed as error:
        words = " ".join(error.words.split())[:300]  # it has read no note yet
        if error.for_good:
            raise EngineRefused(
                f"the engine refuses the request: {error}; its words: {words or 'none'}",
                where=f"{client.address}, {probe}",
                remedy="is it the task's schema.py, or an option that this engine does not take "
                "(options.extra, options.openai_fields_only)? Use another, or another engine",
            ) from None
        raise NotemillError(
            f"the engine fails before the first note: {error}" + (f"; {words}" if words else ""),
            where=f"{client.address}, {probe}",
            remedy="read the engine's log, beside this job's log; for an engine with an address: "
            "is a model server there, with a chat interface?",
        ) from None
    except PromptTooLong:
        raise EngineRefused(
            "the prompts alone do not fit the context",
            where="experiments.*.options.num_ctx",
            remedy="raise num_ctx, or shorten the prompts",
        ) from None


def _no_answer(client: Askable, probe: str, timeout_s: float) -> NotemillError:
    return NotemillError(
        f"the engine gave no answer in {timeout_s:g} s",
        where=f"{client.address}, {probe}",
        remedy="is the model on the GPU? Read the engine's log, beside this job's log; a slow "
        "engine may need a larger answer_timeout_s",
    )

"""What the asking needs of an engine: question, reply, and what an engine may say instead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from notemill.config import Options
from notemill.engines.record import ModelRecord
from notemill.tasks.task import Task


class End(StrEnum):
    """Why the engine stopped writing."""

    STOP = "stop"
    LENGTH = "length"
    ABORTED = "aborted"


@dataclass(frozen=True)
class Question:
    """One request to an engine: the system's and the user's message, and how to sample.

    task: the task's name, of which the engine knows what its prompts take.
    """

    system: str
    user: str
    json_schema: dict[str, Any]
    num_predict: int
    seed: int
    temperature: float
    task: str = ""


@dataclass(frozen=True)
class Reply:
    """What an engine gave back. Tokens as the engine counted them, 0 where it did not say.

    cached_tokens: of the prompt, those that it had read for an earlier request and kept; None where
    it did not say.
    """

    text: str
    end: End
    prompt_tokens: int
    answer_tokens: int
    cached_tokens: int | None = None


class Engine(Protocol):
    """A ready server with the model loaded and proven.

    description: name and version, such as 'ollama 0.24.0'.
    """

    description: str

    def baseline(self, task: str) -> int:
        """Prompt tokens that every prompt of this task with a note exceeds, however short that is.

        task: its name, one of those that the engine was proven for.
        """
        ...

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        """One request, at most timeout_s seconds from now, waiting included.

        Raises PromptTooLong, AnswerTimeout, RequestFailed or EngineGone; NotemillError for what
        no further request would change.
        """
        ...


@dataclass(frozen=True)
class Start:
    """What an engine is started for.

    beside: tasks that are asked together with this one. record: the model that it must have;
    log: where its server writes; threads: CPU threads; slots: requests that it answers at once.
    """

    task: Task
    options: Options
    record: ModelRecord
    log: Path
    threads: int
    slots: int
    beside: tuple[Task, ...] = ()


class PromptTooLong(Exception):
    """The prompt does not fit the context; it was not answered, or not as asked."""


class AnswerTimeout(Exception):
    """No reply in time."""


class RequestFailed(Exception):
    """The server failed on this request and may well answer the next. Its text is safe to log.

    for_good: it has understood and refused the request. words: the server's own, which may quote
    what it read or wrote; for a message before the first note alone.
    """

    def __init__(self, told: str, *, words: str = "", for_good: bool = False) -> None:
        super().__init__(told)
        self.words = words
        self.for_good = for_good


class EngineGone(Exception):
    """The server does not answer any more. Its text is safe to log."""

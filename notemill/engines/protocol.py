"""What the asking needs of an engine: question, reply, and what an engine may say instead."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from notemill.config import Options
from notemill.engines.devices import Devices, of_server
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

    task: the task's name, of which the engine knows what its prompts take. alone: whether a server
    that others ask too is to answer nothing else meanwhile, where it can.
    """

    system: str
    user: str
    json_schema: dict[str, Any]
    num_predict: int
    seed: int
    temperature: float
    task: str = ""
    alone: bool = False


@dataclass(frozen=True)
class At:
    """Where a server is that someone else started. address: base URL, with its path; key: what it
    asks for, empty if nothing; certificate, authority, ours: as Http has them; name: for
    messages."""

    name: str
    address: str
    key: str = field(default="", repr=False)
    certificate: str = ""
    authority: Path | None = None
    ours: bool = False


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

    options: the experiment's, but num_ctx is what each slot of this engine has, which may be less.
    record: the model that it must have; log: where its server writes; threads: CPU threads of the
    job; slots: requests that it answers at once; beside: tasks that are asked together with this
    one; server: its number among the job's `servers`, from 0; devices: its GPUs, None for all that
    the job has.
    """

    task: Task
    options: Options
    record: ModelRecord
    log: Path
    threads: int
    slots: int
    beside: tuple[Task, ...] = ()
    server: int = 0
    servers: int = 1
    devices: Devices | None = None

    @property
    def shared(self) -> Start:
        """The same with this server's share of the job's threads and GPUs, and a log of its own.

        Raises NotemillError when the GPUs can't be shared out evenly.
        """
        if self.servers == 1:
            return self
        log = self.log.with_suffix(f".{self.server + 1}{self.log.suffix}")
        return replace(
            self,
            log=log if self.server else self.log,
            threads=max(self.threads // self.servers, 1),
            devices=of_server(self.server, self.servers),
        )


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


class NotBegun(EngineGone):
    """The server is not there for what it was asked just now, and has not read it."""


class EngineDraining(NotBegun):
    """The server ends what it has begun, and begins nothing more."""

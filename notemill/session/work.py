"""A session's work, in a thread of its own with a loop of its own: a notebook's is taken.

The kernel ends a server with the thread that started it (engines/process.py), so this one lives as
long as the session. It is a daemon, for Python waits for others before it lets a forgotten session
end; an exit handler ends what is left.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from notemill.answers.asking import Asking
from notemill.answers.endpoint import endpoints_for
from notemill.answers.outcome import Outcome
from notemill.answers.pool import ShardAsking, Text
from notemill.answers.verdict import Status
from notemill.endpoints.known import Known
from notemill.endpoints.proven import proven_at
from notemill.engines.kinds import proven_engine
from notemill.engines.protocol import Engine, Start
from notemill.engines.record import ModelRecord
from notemill.files import private_folder
from notemill.session.asked import Asked
from notemill.session.engine import KeptEngine
from notemill.session.progress import AskingProgress

_Value = TypeVar("_Value")
_running: set[Work] = set()


class Work:
    """Asks texts, one call after another, on an engine that it keeps between them.

    threads: CPU threads for the engine. engine_log: where its server writes; removed in the end
    unless an engine was lost.
    """

    _ending = False

    def __init__(self, asked: Asked, threads: int) -> None:
        """Waits for sessions that are ending: two models may not fit one GPU."""
        for other in list(_running):
            if other._ending:
                other.end(wait=True)
        self._asked = asked
        self._threads = threads
        name = f"{asked.run.experiment_id}.{secrets.token_hex(4)}"
        self.engine_log = asked.layout.log("session", name).with_suffix(".engine.log")
        self._answers: dict[str, Outcome] = {}
        self._record: ModelRecord | None = None
        self._engine = KeptEngine(self._start)
        self._turn = asyncio.Lock()
        self._over = asyncio.Event()
        self._askings: set[asyncio.Task[object]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="notemill-session", daemon=True)
        self._thread.start()
        _running.add(self)

    @property
    def alive(self) -> bool:
        """Whether it goes on; in a process forked from ours it does not."""
        return self._thread.is_alive()

    def ask(
        self, texts: dict[str, str], progress: AskingProgress
    ) -> concurrent.futures.Future[dict[str, Outcome]]:
        """Outcomes of texts, both by hash (hex); one that was answered before is not asked again.

        Cancelling the future, too, leaves engine and answers as they are.
        """
        return asyncio.run_coroutine_threadsafe(self._ask(texts, progress), self._loop)

    def end(self, *, wait: bool = False) -> None:
        """Cancel what is asked and end the engine. wait: until it has ended."""
        self._ending = True
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._over.set)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        try:
            # Not asyncio.run, which packages for notebooks replace.
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._until_over())
        finally:
            _running.discard(self)

    async def _until_over(self) -> None:
        await self._over.wait()
        for asking in self._askings:
            asking.cancel()
        await asyncio.gather(*self._askings, return_exceptions=True)
        await self._engine.end()
        if not self._engine.lost:
            self.engine_log.unlink(missing_ok=True)

    async def _ask(self, texts: dict[str, str], progress: AskingProgress) -> dict[str, Outcome]:
        asking = asyncio.current_task()
        assert asking
        self._askings.add(asking)
        try:
            async with self._turn:
                return await self._ask_missing(texts, progress)
        finally:
            self._askings.discard(asking)

    async def _ask_missing(
        self, texts: dict[str, str], progress: AskingProgress
    ) -> dict[str, Outcome]:
        outcomes = {sha: self._answers[sha] for sha in texts.keys() & self._answers.keys()}
        missing = {sha: text for sha, text in texts.items() if sha not in outcomes}
        progress.resume_at(len(outcomes))

        def ended(_: Asking, text_sha256: str, outcome: Outcome) -> None:
            outcomes[text_sha256] = outcome
            if outcome.status == Status.ANSWERED:
                self._answers[text_sha256] = outcome

        @asynccontextmanager
        async def engine() -> AsyncIterator[Engine]:
            async with self._engine.lent() as ready:
                progress.begin()
                yield ready

        if missing:
            run = self._asked.run
            asking = Asking.of_run(run, await self._model(), spend_tokens=lambda tokens: None)
            shard = ShardAsking(
                ended,
                progress,
                asked=lambda _: None,
                beat=lambda: None,
                slots=self._asked.slots,
                restarts=run.engine.restarts,
            )
            wanted = (Text(sha, text, (asking,)) for sha, text in missing.items())
            if run.engine.computes_here:
                await shard.run(wanted, engine)
            else:
                progress.begin()
                await shard.run_on(wanted, endpoints_for(run, self._at))
        return outcomes

    async def _model(self) -> ModelRecord:
        if self._record is None:
            private_folder(self.engine_log.parent)
            self._record = await _in_thread(lambda: self._asked.model(self.engine_log))
        return self._record

    @asynccontextmanager
    async def _start(self) -> AsyncIterator[Engine]:
        async with proven_engine(self._asked.run.engine, await self._begin()) as engine:
            yield engine

    @asynccontextmanager
    async def _at(self, known: Known) -> AsyncIterator[Engine]:
        async with proven_at(self._asked.run.engine, await self._begin(), known) as engine:
            yield engine

    async def _begin(self) -> Start:
        run = self._asked.run
        return Start(
            run.task,
            run.experiment.options,
            await self._model(),
            self.engine_log,
            self._threads,
            self._asked.slots,
        )


async def _in_thread(function: Callable[[], _Value]) -> _Value:
    """What the function gives, in a thread that neither a cancellation nor Python's end waits for:
    it may read or pull many gigabytes."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Value] = loop.create_future()

    def settle(set_it: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lambda: None if done.done() else set_it())

    def work() -> None:
        try:
            value = function()
        except BaseException as error:
            failure = error
            settle(lambda: done.set_exception(failure))
        else:
            settle(lambda: done.set_result(value))

    threading.Thread(target=work, name="notemill-model", daemon=True).start()
    return await done


@atexit.register
def _end_all() -> None:
    for work in list(_running):
        work.end()
    for work in list(_running):
        work.end(wait=True)

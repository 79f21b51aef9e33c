"""Asks servers about every text of a shard: all slots busy, every text ended exactly once.

One queue for all servers of the job. A text may have several askings: they are put to one engine
back to back, and each ends for itself; "a text" below is one for one asking.

Infrastructure never becomes data. The engine's words about a text (an answer, a wrong answer, "too
long") end it. Without a word there is no verdict, but these steps:

1. Side by side, all texts. One that got a server error in its last attempt, or a timeout while the
   engine talked to no one else, is set aside; so are those in flight when their engine is lost.
   What was not begun stays in the queue, for any server.
2. When all have been begun (or many wait), those set aside are tried, one at a time, by an engine
   that has talked since its start and does nothing else. Now a text without a word ends with what
   it met: the engine had a word for another question after each of its attempts
   (notemill.answers.asking). A text with which alone an engine was lost goes behind the others;
   lost again, it ends as deadly once the next engine talks. Of several servers each tries what
   another had no word for, or was lost with: a broken GPU bears witness against no text.
3. An engine is lost when it closes the connection, or has no word for any question. It is started
   again, `restarts` times without a text ended there between. A start that fails counts too; where
   an engine was ready before, with longer and longer pauses, for an address may be down for
   minutes. Then its server is given up, and the job goes on with the others. With the last one it
   fails: what failed is recorded nowhere, answers are in the journal.
4. A loss with a text alone is the text's and gives up no server; a text takes two at most.

A cancellation (SIGTERM) at any point ends all engines and leaves.

Where a job asks endpoints (notemill.answers.endpoints), which others ask too and no job starts:
what is tried alone is alone for all (the guard sees to it), a timeout beside others is none, and a
request that was not begun goes back to the queue. One that is lost cools down and is proven again,
as often as it takes; after `restarts` losses without a text ended between it is left alone. Where
the guard itself went, with its job or node, what was in flight goes back to the queue, each text
once: a text that takes whole servers with it is set aside by the second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial

from notemill.answers.asking import Asking
from notemill.answers.endpoint import Endpoints
from notemill.answers.endpoints import Pool
from notemill.answers.outcome import Outcome
from notemill.answers.server import EngineLost, Server, StartEngine, StaysAway
from notemill.answers.texts import Queue, Text
from notemill.answers.verdict import Status
from notemill.logs import log
from notemill.progress import EVERY_S, Progress

__all__ = ["Ended", "EngineLost", "ShardAsking", "StartEngine", "Text"]

Ended = Callable[[Asking, str, Outcome], None]
"""Of a text (hash) that ended for one who asked about it; may raise to end the job."""


class ShardAsking:
    """One shard's asking. `ended` is called once for each text and asking, when it has ended.

    asked: called after each asking of a text; beat: called every few seconds. slots: of each
    server. restarts: losses of a server in a row, with no text ended between them, that are
    survived. needs_all: whether the job ends with the first server that is given up.
    living: servers that were not given up.
    context: tokens of each slot where they are fewer than the experiment's num_ctx. Then a text
    that was too long for them, or failed without the model's word, has not ended: `beyond` is
    called with its hash in the place of `ended`.
    """

    def __init__(
        self,
        ended: Ended,
        progress: Progress,
        *,
        asked: Callable[[Asking], None],
        beat: Callable[[], None],
        slots: int,
        restarts: int,
        needs_all: bool = False,
        context: int | None = None,
        beyond: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._ended = ended
        self._context = context
        self._beyond = beyond
        self._progress = progress
        self._beat = beat
        self._needs_all = needs_all
        self._server = partial(
            Server,
            ended=self._end,
            asked=asked,
            slots=slots,
            restarts=restarts,
            context=context,
        )
        self.living = self._servers = 0
        self._of_endpoints = {"ended": self._end, "asked": asked, "restarts": restarts}
        self.pool: Pool | None = None

    async def run(self, texts: Iterator[Text], *starts: StartEngine) -> None:
        """Ask about all texts, with a server for each start.

        Raises NotemillError when `ended` does, and when no server is left.
        """
        queue = Queue(texts, len(starts))
        self.living = self._servers = len(starts)
        servers = [
            asyncio.create_task(self._serve(number, start, queue))
            for number, start in enumerate(starts)
        ]
        ticker = asyncio.create_task(self._tick())
        try:
            await asyncio.wait(servers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            ticker.cancel()
            for each in servers:
                each.cancel()
            ends = await asyncio.gather(ticker, *servers, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        log.info(self._progress.line())

    async def run_on(self, texts: Iterator[Text], endpoints: Endpoints) -> None:
        """Ask about all texts at endpoints, which may come and go.

        Raises NotemillError when `ended` does, and when there has been none for too long.
        """
        self.pool = Pool(endpoints, Queue(texts, 0), **self._of_endpoints)  # type: ignore[arg-type]
        ticker = asyncio.create_task(self._tick())
        try:
            await self.pool.run()
        finally:
            ticker.cancel()
            (end,) = await asyncio.gather(ticker, return_exceptions=True)
        if isinstance(end, Exception):
            raise end
        log.info(self._progress.line())

    async def _serve(self, number: int, start: StartEngine, queue: Queue) -> None:
        """A server until all has ended, or it is given up. Raises what ends the job."""
        server = self._server(number, start, queue, called=self._called(number))
        life = asyncio.create_task(server.serve())
        over = asyncio.create_task(queue.until_ended())
        try:
            await asyncio.wait([life, over], return_when=asyncio.FIRST_COMPLETED)
            if server.ready:
                await asyncio.wait([life])
        finally:
            over.cancel()
            life.cancel()  # if it is only starting, nobody needs it any more
            end, _ = await asyncio.gather(life, over, return_exceptions=True)
        if isinstance(end, StaysAway):
            self._give_up(number, end, queue)
        elif isinstance(end, Exception):
            raise end

    def _called(self, number: int) -> str:
        return "the engine" if self._servers == 1 else f"engine {number + 1} of {self._servers}"

    def _give_up(self, number: int, lost: StaysAway, queue: Queue) -> None:
        queue.give_up(number)
        self.living = len(queue.living)
        if queue.ended:
            return
        if not self.living or self._needs_all:
            raise lost.why
        log.warning(
            "%s is given up, %d go on: %s",
            self._called(number),
            self.living,
            lost.why,
        )

    def _end(self, text: Text, outcome: Outcome) -> None:
        if self._context and outcome.status in (Status.TOO_LONG, Status.SERVER_ERROR):
            self._beyond(text.text_sha256)
            return
        failed = outcome.status != Status.ANSWERED
        self._progress.add(failed=failed, tokens=outcome.prompt_tokens + outcome.answer_tokens)
        self._ended(text.askings[0], text.text_sha256, outcome)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self._progress.line_if_due()
            self._beat()

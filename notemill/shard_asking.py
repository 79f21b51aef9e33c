"""Asks an engine about every text of a shard: all slots busy, every text ended exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager

from notemill.answers import Status
from notemill.asking import Asking
from notemill.engines.protocol import Engine, EngineGone
from notemill.errors import NotemillError
from notemill.journal import Outcome, now
from notemill.logs import log
from notemill.progress import EVERY_S, Progress

Text = tuple[str, str]
"""A text's hash (hex) and the text."""
StartEngine = Callable[[], AbstractAsyncContextManager[Engine]]
"""Starts a server, proves it, and ends it on leaving."""


class ShardAsking:
    """One shard's asking. `record` is called once for each text, as soon as it has ended.

    restarts: server deaths in a row, without an answer between them, that the job survives.
    max_failures: failed texts with which the job goes on.
    """

    def __init__(
        self,
        asking: Asking,
        record: Callable[[str, Outcome], None],
        progress: Progress,
        *,
        slots: int,
        restarts: int,
        max_failures: int,
    ) -> None:
        self._asking = asking
        self._record = record
        self._progress = progress
        self._slots = slots
        self._restarts = restarts
        self._max_failures = max_failures
        self._in_flight: dict[str, str] = {}
        self._suspects: list[Text] = []
        self._deaths_in_a_row = 0

    async def run(self, texts: Iterator[Text], start_engine: StartEngine) -> None:
        """Ask about all texts, starting the engine again when it dies.

        After a death the texts that were in flight are asked one at a time, so that a text that
        kills the engine is found and ends as server_error. Raises NotemillError when the engine
        dies too often or too many texts fail.
        """
        ticker = asyncio.create_task(self._tick())
        try:
            while not await self._until_death(texts, start_engine):
                pass
        finally:
            ticker.cancel()
        log.info(self._progress.line())

    async def _until_death(self, texts: Iterator[Text], start_engine: StartEngine) -> bool:
        """Run one engine; False if it died and some texts are still to be asked."""
        try:
            async with start_engine() as engine:
                await self._ask_suspects(engine)
                await self._ask_side_by_side(engine, texts)
        except EngineGone as death:
            self._after_death(death)
            return False
        return True

    async def _ask_suspects(self, engine: Engine) -> None:
        while self._suspects:
            text_sha256, text = self._suspects[0]
            try:
                await self._ask(engine, text_sha256, text)
            except EngineGone:
                self._in_flight.clear()
                self._suspects.pop(0)
                self._end(text_sha256, _deadly(engine))
                raise
            self._suspects.pop(0)

    async def _ask_side_by_side(self, engine: Engine, texts: Iterator[Text]) -> None:
        async def worker() -> None:
            for text_sha256, text in texts:
                await self._ask(engine, text_sha256, text)

        # One more than the slots, so that a freed slot finds its next note waiting.
        workers = [asyncio.create_task(worker()) for _ in range(self._slots + 1)]
        try:
            # No TaskGroup: over a worker's error it forgets a cancellation that comes with it,
            # and SIGTERM comes to the engine and to this job at once.
            await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for each in workers:
                each.cancel()
            ends = await asyncio.gather(*workers, return_exceptions=True)
        if errors := [end for end in ends if isinstance(end, Exception)]:
            # A death is the least of them: it can be mended by a new start.
            raise min(errors, key=lambda error: isinstance(error, EngineGone))

    async def _ask(self, engine: Engine, text_sha256: str, text: str) -> None:
        self._in_flight[text_sha256] = text
        outcome = await self._asking.outcome(engine, text)
        del self._in_flight[text_sha256]
        self._end(text_sha256, outcome)

    def _end(self, text_sha256: str, outcome: Outcome) -> None:
        failed = outcome.status != Status.ANSWERED
        if not failed:
            self._deaths_in_a_row = 0
        self._record(text_sha256, outcome)
        self._progress.add(failed=failed, tokens=outcome.prompt_tokens + outcome.answer_tokens)
        if self._progress.failed > self._max_failures:
            raise NotemillError(
                f"{self._progress.failed} of {self._progress.total} texts have no valid answer, "
                "more than max_failed_share allows; answers so far are kept in the journal",
                where="this log's lines above give the reasons",
                remedy="correct the prompt, the schema, num_ctx or num_predict; or, if failures "
                "are to be expected, raise max_failed_share of the experiment",
            )

    def _after_death(self, death: EngineGone) -> None:
        self._deaths_in_a_row += 1
        self._suspects += self._in_flight.items()
        self._in_flight.clear()
        log.warning("the engine died (%s); %d texts were in flight", death, len(self._suspects))
        if self._deaths_in_a_row > self._restarts:
            raise NotemillError(
                f"the engine died {self._deaths_in_a_row} times without an answer between",
                where="the engine's log, beside this log",
                remedy="read the end of the engine's log; out of memory is the usual reason: "
                "fewer slots, a smaller num_ctx, or a larger mem_mb in the profile",
            )

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self._progress.line_if_due()


def _deadly(engine: Engine) -> Outcome:
    detail = "the engine died twice with this note, the second time with it alone"
    return Outcome(
        Status.SERVER_ERROR.value, None, detail, 1, "", 0, 0, 0.0, engine.description, now()
    )

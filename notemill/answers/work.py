"""The work on one shard: its journal open, what is missing of it, and how that is asked."""

from __future__ import annotations

import time
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
)
from dataclasses import dataclass, field
from functools import cached_property, partial

from notemill.answers.allowed import allowed_failures, refuse_more_failures
from notemill.answers.asking import Asking
from notemill.answers.endpoints import Pool
from notemill.answers.engines import Engines, StartWith
from notemill.answers.experiment_record import keep_record
from notemill.answers.journal import Journal
from notemill.answers.live_file import LiveFile
from notemill.answers.outcome import Outcome
from notemill.answers.pool import ShardAsking, Text
from notemill.answers.shard_job import ShardJob
from notemill.answers.verdict import Status
from notemill.counts import Counts
from notemill.engines.protocol import Engine
from notemill.engines.record import ModelRecord
from notemill.errors import NotemillError
from notemill.logs import log
from notemill.notes.manifest import Manifest, ShardEntry
from notemill.notes.texts import longest_first, read_texts, text_bytes
from notemill.progress import Progress
from notemill.tasks.gate import WHOLE, Gated
from notemill.tasks.gate_patterns import Range
from notemill.tasks.task import Task

_LAST = 160
"""Texts that are asked in the order of their lengths at a shard's or a class's end."""

Ended = Callable[[str, Outcome], None]


@dataclass
class ShardWork:
    """A shard whose journal this job holds, and those of the tasks that are asked beside it.

    The first of a batch leads: it asks for all, what ends is kept by the one whose task it is.
    wanted: hashes of its texts that are to be asked; gated: what the task's gate did with texts, by
    hash, of those that it settled or named a rule for; failures: how texts ended in this job that
    were not answered; live: tells how the job goes; ready_s: from the latest engine's start until
    it was proven, 0 before; engine: its name and version. beyond: tokens of context that texts
    turned out not to fit, by hash. beside: the same shard's work for the tasks that are asked
    together with this one; asked_with: ids of the batch, empty for a task of its own. given_up:
    what ended the asking of this task, while others go on. told: of each of its ends. counts: what
    was done so far; of engines it tells with the first task.
    """

    job: ShardJob
    manifest: Manifest
    record: ModelRecord
    wanted: set[str]
    journal: Journal
    live: LiveFile
    gated: dict[str, Gated] = field(default_factory=dict)
    failures: dict[str, Outcome] = field(default_factory=dict)
    ready_s: float = 0.0
    engine: str = ""
    beyond: dict[str, int] = field(default_factory=dict)
    beside: list[ShardWork] = field(default_factory=list)
    asked_with: tuple[str, ...] = ()
    given_up: NotemillError | None = None
    told: Ended | None = None
    counts: Counts = field(default_factory=Counts)

    @property
    def entry(self) -> ShardEntry:
        """What the manifest says of the shard."""
        return self.manifest.shard(self.job.shard)

    @property
    def settled(self) -> int:
        """Texts that the gate settled, which are not asked."""
        return sum(each.settled for each in self.gated.values())

    @property
    def together(self) -> list[ShardWork]:
        """This work and those beside it."""
        return [self, *self.beside]

    def missing(self) -> set[str]:
        """Texts that have not ended yet, for one task at least."""
        return set().union(*(work.left() for work in self.together))

    def left(self) -> set[str]:
        """Texts that have not ended yet for this task alone."""
        return {text_sha256 for text_sha256 in self.wanted if self._lacks(text_sha256)}

    def _lacks(self, text_sha256: str) -> bool:
        ended = text_sha256 in self.journal.answers or text_sha256 in self.failures
        return text_sha256 in self.wanted and not ended and not self.given_up

    def _askings(self, text_sha256: str) -> tuple[Asking, ...]:
        """Who still asks about a text; those that send the same of it stand together."""
        works = [work for work in self.together if work._lacks(text_sha256)]
        works.sort(key=lambda work: work._sends(text_sha256))
        return tuple(work._asking for work in works)

    def _sends(self, text_sha256: str) -> tuple[bool, tuple[Range, ...]]:
        """What of a text is sent: its parts, none for all, and whether with numbers."""
        evidence = self.job.run.task.evidence
        return bool(evidence and evidence.numbered), self.gated.get(text_sha256, WHOLE).parts or ()

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Bytes (UTF-8) of each text that is to be asked, by its hash, in the shard's order."""
        return text_bytes(self.job.notes)

    @cached_property
    def _weights(self) -> Callable[[str], float]:
        """What a text weighs of what is left: half as its length has it, half as all do alike."""
        mean = sum(self.sizes.values()) / max(len(self.sizes), 1) or 1.0
        return lambda text_sha256: 0.5 + 0.5 * self.sizes[text_sha256] / mean

    def texts(self, among: Collection[str] | None = None) -> Iterator[Text]:
        """Each missing text once, those `among` these alone: by chance, the last with care.

        A long one that is begun last would keep one slot busy while all others wait. So of the
        last ones the longest come first; of those before, short and long ones fill an engine's
        steps best beside each other (benchmarks.classes).
        """
        chosen = self._chosen(among)
        by_chance = [sha for sha in self.sizes if sha in chosen]
        first, last = by_chance[:-_LAST], by_chance[-_LAST:]
        yield from self._asked(read_texts(self.job.notes, set(first)))
        yield from self._asked(
            longest_first(self.job.notes, {sha: self.sizes[sha] for sha in last})
        )

    def drawn(self, among: Collection[str] | None = None) -> Iterator[Text]:
        """The same in the order of their hashes, which is chance: the first are a fair sample."""
        yield from self._asked(read_texts(self.job.notes, self._chosen(among)))

    def _chosen(self, among: Collection[str] | None) -> set[str]:
        return self.missing() if among is None else self.missing() & set(among)

    def _asked(self, texts: Iterable[tuple[str, str]]) -> Iterator[Text]:
        """Texts with those who still ask about them, when it is their turn."""
        for text_sha256, text in texts:
            if askings := self._askings(text_sha256):
                yield Text(text_sha256, text, askings)

    async def ask(
        self,
        texts: Iterator[Text],
        slots: int,
        *,
        start: StartWith | None = None,
        ended: Ended | None = None,
        restarts: int | None = None,
        max_failures: float | None = None,
        context: int | None = None,
        needs_all: bool = False,
    ) -> None:
        """Ask about texts, for all tasks, with engines of so many slots each, started for it.

        start: in the place of `Engines.started`; ended: told of each end; restarts, max_failures
        (texts with which the job goes on): by default as configured. context: tokens of each slot,
        by default the experiment's num_ctx; with fewer, texts that don't fit stay missing, and
        `beyond` says so. needs_all: whether it ends with the first server that stays away. Raises
        as ShardAsking.run does.
        """
        num_ctx = self.job.run.experiment.options.num_ctx
        context = min(context or num_ctx, num_ctx)
        whose = {work._asking: work for work in self.together}

        def keep(asking: Asking, text_sha256: str, outcome: Outcome) -> None:
            work = whose[asking]
            self._count_slots(shard.pool)
            work._keep(text_sha256, outcome)
            if ended:
                ended(text_sha256, outcome)
            if not work.given_up:
                work.refuse_failures(max_failures)
            if (error := self.given_up) and all(each.given_up for each in self.beside):
                raise error

        def beat() -> None:
            self._count_slots(shard.pool)
            for work in self.together:
                work.journal.spend()
                if shard.pool:
                    ready = shard.pool.ready
                    work.live.slots = max((each.slots for each in ready), default=work.live.slots)
                    work.live.servers = max(shard.pool.size, 1)
                    work.live.given_up = work.live.servers - len(ready)
                else:
                    work.live.given_up = self.job.servers - shard.living
                    self.counts.slots = slots * shard.living
                work.live.beat()

        for work in self.together:
            work.sizes = self.sizes
            work.live.slots, work.live.servers = slots, self.job.servers
            if work.live.left is None:
                work.live.left = sum(map(self._weights, work.left()))
        shard = ShardAsking(
            keep,
            self._progress,
            asked=lambda asking: whose[asking].journal.spend(asked=1),
            beat=beat,
            slots=slots,
            restarts=self.job.run.engine.restarts if restarts is None else restarts,
            needs_all=needs_all,
            context=context if context < num_ctx else None,
            beyond=lambda text_sha256: self.beyond.update({text_sha256: context}),
        )
        if not self.job.run.engine.computes_here:
            await shard.run_on(texts, self.engines.endpoints)
            return
        begin = start or self.engines.started
        starts = [partial(begin, slots, context, server) for server in range(self.job.servers)]
        self.counts.slots = slots * self.job.servers
        await shard.run(texts, *starts)

    def _count_slots(self, pool: Pool | None) -> None:
        if pool:
            self.counts.slots = sum(each.slots for each in pool.ready)

    @cached_property
    def engines(self) -> Engines:
        """Engines for this work and those beside it, started for it or at endpoints."""
        return Engines(self.job, self.record, self._tasks, self.counts, self._is_ready)

    def _tasks(self) -> tuple[Task, ...]:
        """Those that are asked beside the first."""
        return tuple(work.job.run.task for work in self.beside)

    def _is_ready(self, engine: Engine, began: float) -> None:
        for work in self.together:
            work.ready_s, work.engine = time.monotonic() - began, engine.description
            keep_record(self.job.layout, work.job.run, self.record, work.asked_with)
            work.counts.engine, work.counts.progressed = engine.description, time.time()

    def _keep(self, text_sha256: str, outcome: Outcome) -> None:
        if outcome.status == Status.ANSWERED:
            self.journal.accept(text_sha256, outcome)
        else:
            self.failures[text_sha256] = outcome
            log.warning("text %s: %s, %s", text_sha256[:12], outcome.status, outcome.detail)
        self.live.ended(outcome, self._weights(text_sha256))
        self.counts.end(outcome.status)
        if self.told:
            self.told(text_sha256, outcome)

    def refuse_failures(self, allowed: float | None = None) -> None:
        """Give the task up when more of its texts have failed than is allowed; by default
        max_failed_share of them."""
        texts, share = len(self.wanted), self.job.run.experiment.max_failed_share
        try:
            most = allowed_failures(share, texts) if allowed is None else allowed
            refuse_more_failures(len(self.failures), texts, most)
        except NotemillError as error:
            self.given_up = error
            if self.asked_with:
                log.error(
                    "%s is given up: %s; other tasks go on", self.job.run.experiment_id, error.what
                )

    @cached_property
    def _asking(self) -> Asking:
        return Asking.of_run(
            self.job.run,
            self.record,
            lambda tokens: self.journal.spend(tokens=tokens),
            self.counts,
        )

    @cached_property
    def _progress(self) -> Progress:
        total = sum(len(work.wanted) for work in self.together)
        unit = f"texts and tasks (of {len(self.together)})" if self.beside else "texts"
        progress = Progress(unit, total=total, on_bar=True)
        progress.resume_at(total - sum(len(work.left()) for work in self.together))
        return progress

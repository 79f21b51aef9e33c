"""Tasks of one experiment that send different parts of a note, on engines in this process."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from notemill.answers import engines
from notemill.answers.job import answer_shards
from notemill.answers.opening import opened
from notemill.answers.shard_job import ShardJob
from notemill.config import Config, Engine
from notemill.engines.protocol import End, PromptTooLong, Question, Reply, Start
from notemill.engines.record import ModelRecord
from notemill.notes.manifest import read_manifest
from notemill.plan.batches import batches
from notemill.plan.runs import plan_runs
from notemill.tasks.run import Run
from tests.unit.conftest import ANSWER, SCHEMA, Clinic, config, write_task

NUMBERS = '{"response": "yes", "sites": [1]}'
NUM_CTX = 2048
Pair = tuple[str, str]
"""A task and the number of a note."""
Meets = Callable[["Server", Pair], None]


class Server:
    """A started engine. start: what it was started with; meets: raises what it meets."""

    description = "small 1"

    def __init__(self, start: Start, meets: Meets, ward: Ward) -> None:
        self.start = start
        self.number = start.server
        self.context = start.options.num_ctx
        self._meets = meets
        self._ward = ward
        self._slots = asyncio.Semaphore(start.slots)

    def baseline(self, task: str) -> int:
        return 1

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        async with self._slots:
            found = re.search(r"\bn(\d+)\b", question.user)
            pair = (question.task, found[1] if found else "control")
            self._ward.asked.append((self, pair))
            await asyncio.sleep(0)
            self._meets(self, pair)
            prompt = self._ward.tokens(question.system + question.user)
            if prompt >= self.context:
                self._ward.refused[self.context, pair] += 1
                raise PromptTooLong("longer than the context")
            answer = NUMBERS if question.task == "rash" else ANSWER
            self._ward.spent[question.task] += prompt + 10
            if prompt + 10 > self.context:
                return Reply("{", End.LENGTH, prompt, 10)
            if found:
                self._ward.answered[pair] += 1
            return Reply(answer, End.STOP, prompt, 10)


class Ward:
    """An experiment `lungs`: cough is asked of all, fever of odd notes and with a long prompt, plan
    of a section, rash of numbered sentences.

    asked: by which server, in the order of the requests; answered, spent: whole answers of each
    task about each note, and tokens of each task, over all runs.
    """

    def __init__(self, clinic: Clinic, patch: pytest.MonkeyPatch) -> None:
        self.clinic, self._patch = clinic, patch
        self.asked: list[tuple[Server, Pair]] = []
        self.answered: Counter[Pair] = Counter()
        self.spent: Counter[str] = Counter()
        self.refused: Counter[tuple[int, Pair]] = Counter()
        self.servers: list[Server] = []
        self.characters_a_token = 4
        self._planned: dict[str, list[Run]] = {}
        tasks = clinic.folder / "tasks"
        write_task(tasks, name="cough")
        write_task(tasks, name="fever", system="Look for fever. " * 120)
        write_task(tasks, name="plan", system="What is planned?")
        numbers = SCHEMA.replace("reason: str", "sites: list[int]")
        write_task(tasks, numbers, name="rash", system="Name its sentences.")
        gate = "gate: {ask_if: {odd: '^n[0-9]*[13579]\\b'}}"
        (tasks / "fever" / "task.yaml").write_text(gate)
        (tasks / "plan" / "task.yaml").write_text("gate: {sections: {keep: [plan]}}")
        (tasks / "rash" / "task.yaml").write_text("evidence: sites\nnumbered_sentences: true")

    def tokens(self, prompt: str) -> int:
        return len(prompt) // self.characters_a_token

    def fill(self, *lengths: int, shards: int = 1) -> None:
        """Notes of so many characters; the odd ones alone have a section `PLAN`."""
        for number, length in enumerate(lengths):
            heading = "PLAN\n" if number % 2 else ""
            self.clinic.fill((number, f"n{number} {'x ' * (length // 2)}\n{heading}n{number} rest"))
        self.cut(shards)

    def cut(self, shards: int) -> None:
        self.clinic.extract(shards=shards)

    def config(self, *names: str, engine: dict[str, Any] | None = None, **changes: Any) -> Config:
        local = {"kind": "ollama", "models": "/models", "slots": 2, "classes": "off"}
        experiment = {
            "tasks": list(names or ("cough", "fever", "plan", "rash")),
            "engine": "local",
            "model": "m:1",
            "results_table": "r_{task}",
            "attempts": 1,
            "max_failed_share": 1,
            "options": {"num_ctx": NUM_CTX, "num_predict": 64},
        }
        return config(
            tasks=str(self.clinic.folder / "tasks"),
            results=str(self.clinic.layout.results),
            engines={"local": local | (engine or {})},
            experiments={"lungs": experiment | changes},
        )

    def jobs(
        self, shard: str = "0000", names: Sequence[str] = (), **changes: Any
    ) -> list[ShardJob]:
        layout = self.clinic.layout
        key = repr((names, changes))
        if key not in self._planned:
            self._planned[key] = plan_runs(self.config(*names, **changes))
        runs = self._planned[key]
        record = ModelRecord(
            engine="ollama", model="m:1", digest="d", weights_sha256="w", recorded_at="today"
        )
        record.write(layout.model(runs[0].model_id))
        (batch,) = batches(runs, layout)
        cut, log = self.clinic.cut(), Path("/nosuch/log")
        return [ShardJob(run, layout, "chest", cut, shard, log, 1) for run in batch.runs]

    def every_job(self) -> list[ShardJob]:
        """Of each task on each shard."""
        shards = read_manifest(self.clinic.manifest()).shards
        return [job for shard in shards for job in self.jobs(shard.name)]

    def engines(self, meets: Meets = lambda server, pair: None) -> None:
        """Let engines be these, which meet this."""

        @asynccontextmanager
        async def proven(_: Engine, start: Start) -> AsyncIterator[Server]:
            server = Server(start, meets, self)
            self.servers.append(server)
            yield server

        self._patch.setattr(engines, "proven_engine", proven)

    def run(
        self,
        meets: Meets = lambda server, pair: None,
        chance: random.Random | None = None,
        **how: Any,
    ) -> None:
        """Run the jobs of all shards; with `chance`, of its tasks in any order."""
        self.engines(meets)
        for shard in read_manifest(self.clinic.manifest()).shards:
            jobs = self.jobs(shard.name, **how)
            if chance:
                chance.shuffle(jobs)
            answer_shards(jobs, sorted(job.run.experiment_id for job in jobs))

    def journaled(self) -> set[Pair]:
        """What the journals have answers of."""
        notes = self.numbers()
        found: set[Pair] = set()
        for shard in read_manifest(self.clinic.manifest()).shards:
            for job in self.jobs(shard.name):
                with opened(job) as again:
                    answers = again.journal.answers.keys() & again.wanted
                    found |= {(job.run.task.name, notes[sha]) for sha in answers}
        return found

    def numbers(self) -> dict[str, str]:
        """The number of each note by its text's hash."""
        found = {}
        for shard in read_manifest(self.clinic.manifest()).shards:
            path = self.clinic.layout.notes("chest", self.clinic.cut(), shard.name)
            for row in pq.read_table(path).to_pylist():
                found[row["text_sha256"].hex()] = str(row["visit"])
        return found

    def statuses(self) -> dict[Pair, str]:
        """How each note ended for each task, by the result shards."""
        found = {}
        for shard in read_manifest(self.clinic.manifest()).shards:
            for job in self.jobs(shard.name):
                for row in pq.read_table(job.output).to_pylist():
                    pair = job.run.task.name, str(row["visit"])
                    assert pair not in found
                    found[pair] = row["status"]
        return found

    def expected(self, num_ctx: int = NUM_CTX) -> dict[Pair, str]:
        """The same by what is sent of a note, and num_ctx alone."""
        found = {}
        notes = self.clinic.rows("SELECT visit, note FROM notes")
        for job in self.jobs():
            task = job.run.task
            for visit, note in notes:
                pair = task.name, str(visit)
                if task.gate and task.gate.gated(note).settled:
                    found[pair] = "not_relevant"
                    continue
                prompt = task.system_message + task.user_message(task.as_sent(note))
                left = num_ctx - self.tokens(prompt)
                found[pair] = "answered" if left >= 10 else "too_long" if left <= 0 else "truncated"
        return found

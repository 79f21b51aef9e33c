"""A results folder as extract and answer jobs leave it, in parts, written by their own classes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from notemill.answers.journal_lines import Spent
from notemill.answers.live_file import LiveFile
from notemill.answers.outcome import Outcome
from notemill.answers.shard import ShardOrigin, write_answers
from notemill.answers.verdict import Status as Ending
from notemill.config import Config, read_config
from notemill.notes.manifest import Counts, Manifest, ShardEntry
from notemill.notes.shard import Note
from notemill.notes.text import read_text
from notemill.paths import Layout, cut_name, journal, live, shard_names
from notemill.plan.runs import plan_runs
from notemill.status.gather import gather
from notemill.status.report import ExperimentStatus, Status
from notemill.tasks.run import Run
from tests.unit.conftest import config_values, write_task


def outcome(status: str = "answered") -> Outcome:
    answer = {"response": "yes"} if status == "answered" else None
    return Outcome(status, answer, "", 1, "", 20, 10, 0.5, "small 1", "2026-01-02T03:04:05+00:00")


class Results:
    """A cohort of `shards` shards with `texts` texts each, and what jobs have left of it."""

    def __init__(self, folder: Path, *, shards: int = 4, texts: int = 10, **changes: Any) -> None:
        write_task(folder / "tasks")
        self.values = config_values(
            results=str(folder / "results"), tasks=str(folder / "tasks"), **changes
        )
        self.values["cohorts"]["chest"]["shards"] = shards
        self.config_file = folder / "config.yaml"
        self.config_file.write_text(yaml.safe_dump(self.values))
        self.config: Config = read_config(self.values)
        (self.run,) = self.runs = plan_runs(self.config)
        self.layout = Layout(self.config.results)
        self.texts = texts
        self.shards = shards
        self.entries = [
            ShardEntry(name=name, notes=texts, texts=texts, digest=f"digest {name}")
            for name in shard_names(shards)
        ]

    def extracted(self) -> Results:
        """The cohort is read."""
        Manifest(
            cohort="chest",
            query="",
            id_columns=[],
            text_column="note",
            same_id_different_text="error",
            counts=Counts(notes=self.shards * self.texts, texts=self.shards * self.texts),
            digest="all",
            extracted_at="",
            seconds=1,
            server="",
            notemill="",
            shards=self.entries,
        ).write(self.layout.manifest("chest", cut_name(self.shards)))
        return self

    def answers(self, shard: str, run: Run | None = None) -> Path:
        experiment = (run or self.run).experiment_id
        return self.layout.answers("chest", experiment, cut_name(self.shards), shard)

    def job(
        self,
        shard: str,
        *endings: str,
        then: Callable[[LiveFile], None] = LiveFile.beat,
        **begins: Any,
    ) -> Path:
        """A shard's job whose texts end like this, and what comes then; returns its live file."""
        path = live(self.answers(shard))
        whose = {"cohort": "chest", "experiment": self.run.experiment_id, "shard": shard}
        file = LiveFile(path, **whose)
        facts: dict[str, Any] = {
            "texts": self.texts,
            "answered": 0,
            "spent": lambda: Spent(36.0, len(endings), 30 * len(endings)),
            "slots": 8,
            "notes_digest": f"digest {shard}",
        }
        file.begins(**facts | begins)
        for ending in endings:
            file.ended(outcome(ending))
        then(file)
        return path

    def ends(self, shard: str, *endings: str, error: BaseException | None = None) -> Path:
        """A shard's job until its end, by an error if one is given."""

        def leave(file: LiveFile) -> None:
            with suppress(BaseException), file:
                if error:
                    raise error

        return self.job(shard, *endings, then=leave)

    def result(self, name: str, *failed: str, **changes: Any) -> Path:
        """The shard's result, in which these texts failed, and a line in its journal."""
        path = self.answers(name)
        texts = [read_text(f"{name} {number}") for number in range(self.texts)]
        notes = [Note((), text.text, text.sha256, text.state, 0) for text in texts]
        endings = [*failed, *[Ending.ANSWERED] * (self.texts - len(failed))]
        origin: dict[str, Any] = {
            "cohort": "chest",
            "shard": name,
            "experiment": self.run.experiment_id,
            "notes_digest": f"digest {name}",
            "model_digest": "",
            "weights_sha256": "",
            "notemill": "0",
            "notes": self.texts,
            "texts": self.texts,
            "failed": len(failed),
            "asked": self.texts,
            "tokens": 100,
            "seconds": 72.0,
            "jobs": 1,
        }
        outcomes = {
            text.sha256.hex(): outcome(str(ending))
            for text, ending in zip(texts, endings, strict=True)
        }
        write_answers(path, iter(notes), outcomes, [], [], ShardOrigin(**origin | changes))
        return path

    def journal(self, shard: str) -> None:
        """A journal that no live file tells of."""
        path = journal(self.answers(shard))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")

    def status(self) -> Status:
        return gather(self.config, self.runs)


def long_ago(path: Path, seconds: float = 300) -> None:
    """A file that was last renewed so long ago."""
    at = time.time() - seconds
    os.utime(path, (at, at))


def only(results: Results) -> ExperimentStatus:
    (each,) = results.status().experiments
    return each


def adds_up(each: ExperimentStatus) -> bool:
    states = each.shards.model_dump()
    return (
        states.pop("total") == sum(states.values())
        and each.failed == sum(each.failed_by_status.values())
        and (each.texts is None or each.answered + each.failed + (each.left or 0) == each.texts)
        and min(each.answered, each.failed, each.left or 0) >= 0
    )

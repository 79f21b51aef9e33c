"""One shard of a run, and where its files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from notemill.paths import Layout
from notemill.tasks.run import Run


@dataclass(frozen=True)
class ShardJob:
    """One shard of a run. threads: CPU threads for the engine."""

    run: Run
    layout: Layout
    cohort: str
    cut: str
    shard: str
    engine_log: Path
    threads: int

    @property
    def notes(self) -> Path:
        return self.layout.notes(self.cohort, self.cut, self.shard)

    @property
    def manifest(self) -> Path:
        return self.layout.manifest(self.cohort, self.cut)

    @property
    def log(self) -> str:
        """The job's log, below the results; empty where it lies elsewhere."""
        log = self.engine_log.with_name(self.engine_log.name.removesuffix(".engine.log") + ".log")
        within = log.is_relative_to(self.layout.results)
        return str(log.relative_to(self.layout.results)) if within else ""

    @property
    def output(self) -> Path:
        return self.layout.answers(self.cohort, self.run.experiment_id, self.cut, self.shard)

    @property
    def servers(self) -> int:
        """Servers that the job starts; endpoints come as they are."""
        return self.run.engine.servers if self.run.engine.computes_here else 1

"""Where everything lies below the results folder. The one place that knows."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths below `results`; arguments may be Snakemake wildcards such as '{cohort}'.

    `experiment` is an experiment's id, NAME-FINGERPRINT; `shard` is 0000, 0001 and so on.
    """

    results: Path

    def manifest(self, cohort: str) -> Path:
        return self.results / "cohorts" / cohort / "manifest.json"

    def notes_folder(self, cohort: str) -> Path:
        return self.results / "cohorts" / cohort / "notes"

    def notes(self, cohort: str, shard: str) -> Path:
        return self.notes_folder(cohort) / f"{shard}.parquet"

    def model(self, model: str) -> Path:
        return self.results / "models" / f"{model}.json"

    def answers(self, cohort: str, experiment: str, shard: str) -> Path:
        return self.results / "answers" / cohort / experiment / f"{shard}.parquet"

    def refusal(self, experiment: str) -> Path:
        """What the engine refused to this experiment; no rule declares it."""
        return self.results / "experiments" / f".{experiment}.refused.json"

    def load(self, cohort: str, experiment: str) -> Path:
        return self.results / "loads" / cohort / f"{experiment}.json"

    def log(self, stage: str, *parts: str) -> Path:
        *folders, name = parts
        return self.results.joinpath("logs", stage, *folders, f"{name}.log")


def frozen_manifest(manifest: Path) -> Path:
    """Copy of a cohort's first manifest, which no rule declares and so no rerun removes."""
    return manifest.with_name(".frozen-manifest.json")


def journal(answers: Path) -> Path:
    """Journal of an answer shard: beside it and undeclared, so that it outlives a killed job."""
    return answers.with_suffix(".journal.jsonl")


def shard_names(count: int) -> list[str]:
    """Plain numbers, because Slurm shows them to everyone on the cluster."""
    return [f"{number:04d}" for number in range(count)]


def model_id(engine: str, model: str) -> str:
    """A file name for an engine's model: readable, and never the same for two models."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "_", f"{engine}_{model}")
    return f"{readable}-{hashlib.sha256(f'{engine} {model}'.encode()).hexdigest()[:6]}"

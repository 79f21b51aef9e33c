"""Where everything lies below the results folder. The one place that knows."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths below `results`; arguments may be Snakemake wildcards such as '{cohort}'.

    `experiment` is an experiment's id, NAME-FINGERPRINT; `cut` is a cut's name (see cut_name);
    `shard` is 0000, 0001 and so on. What belongs to a cut has it in its path, so that another
    number of shards is another plan.
    """

    results: Path

    def cohort(self, cohort: str) -> Path:
        return self.results / "cohorts" / cohort

    def manifest(self, cohort: str, cut: str) -> Path:
        return self.cohort(cohort) / cut / "manifest.json"

    def notes_folder(self, cohort: str, cut: str) -> Path:
        return self.cohort(cohort) / cut / "notes"

    def notes(self, cohort: str, cut: str, shard: str) -> Path:
        return self.notes_folder(cohort, cut) / f"{shard}.parquet"

    def frozen(self, cohort: str) -> Path:
        """What a cohort is, and its cut in force. No rule declares it, so no rerun removes it."""
        return self.cohort(cohort) / ".frozen.json"

    def purged(self, cohort: str) -> Path:
        """When the cohort's texts were removed; no rule declares it."""
        return self.cohort(cohort) / "purged.json"

    def conflicting_ids(self, cohort: str) -> Path:
        """Ids that came with different texts: data, so they stand in no log and no error."""
        return self.cohort(cohort) / "ids-with-different-texts.txt"

    def model(self, model: str) -> Path:
        return self.results / "models" / f"{model}.json"

    @property
    def experiments(self) -> Path:
        return self.results / "experiments"

    def experiment(self, experiment: str) -> Path:
        return self.experiments / f"{experiment}.json"

    def answers_folder(self, cohort: str) -> Path:
        return self.results / "answers" / cohort

    def answers(self, cohort: str, experiment: str, cut: str, shard: str) -> Path:
        return self.answers_folder(cohort) / experiment / cut / f"{shard}.parquet"

    def pilot(self, cohort: str, experiment: str) -> Path:
        """What a pilot measured."""
        return self.results / "pilots" / cohort / f"{experiment}.json"

    def look(self, cohort: str, experiment: str) -> Path:
        """The private page with notes and answers."""
        return self.pilot(cohort, experiment).with_suffix(".html")

    def slots(self, cohort: str, experiment: str, gpu: str) -> Path:
        """Slots measured on a kind of GPU; no rule declares it."""
        kind = re.sub(r"[^A-Za-z0-9]+", "-", gpu).strip("-").lower()
        return self.results / "pilots" / cohort / f".{experiment}.{kind}.json"

    def refusal(self, experiment: str) -> Path:
        """What the engine refused to this experiment; no rule declares it."""
        return self.experiments / f".{experiment}.refused.json"

    def load(self, cohort: str, experiment: str) -> Path:
        return self.results / "loads" / cohort / f"{experiment}.json"

    def delivered(self, cohort: str, experiment: str) -> Path:
        """Which files a load has written; no rule declares it, so no rerun removes it."""
        return self.results / "loads" / cohort / f".{experiment}.outputs.json"

    def tables(self, cohort: str, experiment: str) -> Path:
        return self.results / "tables" / cohort / f"{experiment}.json"

    def evaluation(self, name: str) -> Path:
        return self.results / "evaluations" / f"{name}.json"

    def evaluation_history(self, name: str) -> Path:
        """Which experiments were held against its labels, and when; no rule declares it."""
        return self.evaluation(name).with_name(f".{name}.seen.json")

    def comparison(self, name: str) -> Path:
        return self.results / "comparisons" / f"{name}.json"

    def flips(self, name: str) -> Path:
        """Ids of the notes that a comparison's two experiments answer differently."""
        return self.results / "comparisons" / f"{name}.flips.parquet"

    def repeat(self, cohort: str, experiment: str) -> Path:
        """How many answers stay the same when they are asked again."""
        return self.results / "repeats" / cohort / f"{experiment}.json"

    def audits(self, cohort: str, experiment: str) -> Path:
        """A folder for each audit of an experiment over a cohort."""
        return self.results / "audits" / cohort / experiment

    def server(self, plan: str, served: str, number: str) -> Path:
        """How a server of the target `servers` ended, for each time that it was asked for."""
        return self.results / "servers" / plan / f"{served}.{number}.json"

    @property
    def report(self) -> Path:
        """The report; report.json and ro-crate-metadata.json lie beside it."""
        return self.results / "report" / "report.html"

    @property
    def metrics_targets(self) -> Path:
        """A file for each job that serves metrics now, for Prometheus' file discovery."""
        return self.results / "metrics" / "targets"

    def metrics_totals(self, name: str) -> Path:
        """What a job counted until its end."""
        return self.results / "metrics" / "totals" / f"{name}.prom"

    def log(self, stage: str, *parts: str) -> Path:
        *folders, name = parts
        return self.results.joinpath("logs", stage, *folders, f"{name}.log")


CUTS = "cut-[0-9][0-9][0-9][0-9]"
"""Matches the cuts' names."""


def cut_name(shards: int) -> str:
    """A cut's folder: the cohort in so many shards."""
    return f"cut-{shards:04d}"


def shards_of_cut(name: str) -> int:
    """The number of shards in a cut's name."""
    return int(name.removeprefix("cut-"))


def journal(answers: Path) -> Path:
    """Journal of an answer shard: beside it and undeclared, so that it outlives a killed job."""
    return answers.with_suffix(".journal.jsonl")


def origin_of_output(output: Path) -> Path:
    """How a file of answers was made: beside it, for whoever has it, and for the next load."""
    return output.with_name(f"{output.name}.origin.json")


def experiment_of_answers(answers: Path) -> str:
    """Id of the experiment that an answer shard is of."""
    return answers.parent.parent.name


def live(answers: Path) -> Path:
    """How the job of an answer shard goes: beside its journal, renewed by it every few seconds."""
    return answers.with_suffix(".live.json")


def shard_names(count: int) -> list[str]:
    """Plain numbers, because Slurm shows them to everyone on the cluster."""
    return [f"{number:04d}" for number in range(count)]


def model_id(engine: str, model: str) -> str:
    """A file name for an engine's model: readable, and never the same for two models."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "_", f"{engine}_{model}")
    return f"{readable}-{hashlib.sha256(f'{engine} {model}'.encode()).hexdigest()[:6]}"

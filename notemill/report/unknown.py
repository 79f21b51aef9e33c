"""What a reader would ask and the report can't tell."""

from __future__ import annotations

from collections.abc import Iterator

from notemill.report.methods import name_of
from notemill.report.record import Answered, ExperimentAsked, Report, Unknown


def unknown(report: Report) -> list[Unknown]:
    """All of it, with what would make it known."""
    found = [each for of in report.experiments for each in _of_experiment(of)]
    found += [each for of in report.answers for each in _of_answers(of, report)]
    return [*found, *_of_quality(report)]


def _of_experiment(of: ExperimentAsked) -> Iterator[Unknown]:
    if not of.model.digest:
        yield Unknown(
            what=f"which weights answered {of.name}",
            why="the server at an address does not say",
            remedy="let each job start the server (`command`), with `weights`",
        )
    if "quantisation" not in of.model.details:
        yield Unknown(
            what=f"the quantisation of {of.model.name}",
            why="its record says nothing of it: no GGUF, or recorded by an older version",
            remedy="the publisher's page of the model",
        )
    yield Unknown(
        what=f"until when {of.model.name} was trained, and whether on notes like these",
        why="no file of the model says so",
        remedy="the publisher's page of the model",
    )


def _of_answers(of: Answered, report: Report) -> Iterator[Unknown]:
    whose = f"{name_of(report, of.experiment)} over {of.cohort}"
    took = of.computing
    if took.gpu_hours and not took.gpus:
        yield Unknown(
            what=f"on which GPUs {whose} ran", why="no job said so", remedy="`sacct` of Slurm"
        )
    if took.gpu_hours and took.kwh is None:
        yield Unknown(
            what=f"the energy that {whose} took",
            why="no pilot measured the GPU's draw",
            remedy="run `snakemake pilot` before the shards",
        )
    repeated = {(each.cohort, each.experiment) for each in report.repeats}
    if of.shards_done and (of.cohort, of.experiment) not in repeated:
        yield Unknown(
            what=f"how many answers of {whose} would stay the same if asked again",
            why="none was asked again",
            remedy="`repeat: {notes: 200}` in the experiment (docs/comparison.md)",
        )


def _of_quality(report: Report) -> Iterator[Unknown]:
    judged = {each.experiment for of in report.evaluations for each in of.experiments}
    judged |= {each.experiment for each in report.audits}
    for of in report.experiments:
        if of.experiment not in judged:
            yield Unknown(
                what=f"how good the answers of {of.name} are",
                why="neither gold labels nor readers judged them",
                remedy="`evaluations` (docs/evaluation.md), `notemill audit draw` (docs/audit.md)",
            )
    for each in report.evaluations:
        if each.clustered_by != "patient":
            yield Unknown(
                what=f"how much alike notes of one patient are in {each.name}",
                why="no column names patients, so notes of different texts were independent",
                remedy=f"`evaluations.{each.name}.patient`",
            )

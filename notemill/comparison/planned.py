"""A comparison as it is planned: which two experiments, over which cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from notemill.config import Comparison, Config
from notemill.errors import NotemillError
from notemill.paths import Layout, cut_name, shard_names
from notemill.tasks.run import Run


@dataclass(frozen=True)
class PlannedComparison:
    """experiments: ids of the first and the second."""

    name: str
    settings: Comparison
    cohort: str
    experiments: tuple[str, str]


def planned_comparisons(config: Config, runs: Sequence[Run]) -> dict[str, PlannedComparison]:
    """All comparisons of a configuration, by name, from files alone.

    Raises NotemillError for an earlier experiment that is not answered and loaded, and where it
    can't be told which cohort is meant.
    """
    layout = Layout(config.results)
    return {
        name: _planned(name, settings, config, runs, layout)
        for name, settings in config.comparisons.items()
    }


def _planned(
    name: str, settings: Comparison, config: Config, runs: Sequence[Run], layout: Layout
) -> PlannedComparison:
    by_name = {run.name: run for run in runs} | {run.experiment_id: run for run in runs}
    found = [by_name.get(named) for named in settings.experiments]
    ids = [
        run.experiment_id if run else named
        for run, named in zip(found, settings.experiments, strict=True)
    ]
    if ids[0] == ids[1]:
        raise NotemillError(
            f"both experiments are {ids[0]}: its prompts, schema, model and options have not "
            "changed since",
            where=f"comparisons.{name}.experiments",
            remedy="change the prompt and run again, or leave this comparison out; `repeat` of an "
            "experiment asks it twice",
        )
    cohorts = [
        run.cohorts if run else _loaded_over(config, layout, each, name)
        for run, each in zip(found, ids, strict=True)
    ]
    common = [cohort for cohort in config.cohorts if all(cohort in each for each in cohorts)]
    cohort = _cohort(name, settings, common)
    for run, each in zip(found, ids, strict=True):
        if not run:
            _refuse_missing_shards(config, layout, cohort, each)
    return PlannedComparison(name, settings, cohort, (ids[0], ids[1]))


def _cohort(name: str, settings: Comparison, common: list[str]) -> str:
    if settings.cohort in common or (settings.cohort is None and len(common) == 1):
        return settings.cohort or common[0]
    if not common:
        raise NotemillError(
            "the two experiments have no cohort in common",
            where=f"comparisons.{name}",
            remedy="ask both over one cohort (`cohorts` of the experiments)",
        )
    raise NotemillError(
        f"the two experiments have the cohorts {', '.join(common)} in common"
        + (f", not {settings.cohort}" if settings.cohort else "; which one is meant?"),
        where=f"comparisons.{name}.cohort",
        remedy=f"name one of them: `cohort: {common[0]}`; a comparison is of one cohort, so others "
        "need a comparison of their own",
    )


def _loaded_over(config: Config, layout: Layout, experiment: str, name: str) -> list[str]:
    """Cohorts that an earlier experiment was answered and loaded over."""
    loads = {cohort: layout.load(cohort, experiment) for cohort in config.cohorts}
    if loaded := [cohort for cohort, path in loads.items() if path.exists()]:
        return loaded
    there = {path.stem for load in loads.values() for path in load.parent.glob("*.json")}
    raise NotemillError(
        f"{experiment} is no experiment of this configuration, nor one that was answered and "
        "loaded before",
        where=f"comparisons.{name}.experiments",
        remedy=f"name one of {', '.join([*config.experiments, *sorted(there)])}",
    )


def _refuse_missing_shards(config: Config, layout: Layout, cohort: str, experiment: str) -> None:
    names = shard_names(config.cohorts[cohort].shards)
    cut = cut_name(len(names))
    shards = [layout.answers(cohort, experiment, cut, name) for name in names]
    if missing := [shard for shard in shards if not shard.exists()]:
        raise NotemillError(
            f"{experiment} is no experiment of this configuration any more, and {len(missing)} of "
            f"its {len(shards)} result shards over '{cohort}' are not there",
            where=str(missing[0].parent),
            remedy="they were deleted, or went when the cohort was cut into another number of "
            f"shards. Set the task and options of '{experiment.rpartition('-')[0]}' back to what "
            "they were and run snakemake without this comparison: the journals have the answers, "
            "no answered note is asked again",
        )

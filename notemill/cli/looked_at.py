"""Which experiment over which cohort the words of a command line mean."""

from __future__ import annotations

from dataclasses import dataclass

from notemill.config import Config
from notemill.errors import NotemillError
from notemill.notes.recut import experiments_of
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from notemill.tasks.run import Run


@dataclass(frozen=True)
class Looked:
    """An experiment over a cohort. run: None for one that the configuration no longer asks."""

    layout: Layout
    cohort: str
    experiment_id: str
    run: Run | None

    def nothing_yet(self) -> NotemillError:
        """The error of one that has no answer yet."""
        name = self.experiment_id.rpartition("-")[0]
        earlier = [each for each in _asked(self.layout, self.cohort) if each != self.experiment_id]
        same = [each for each in earlier if each.rpartition("-")[0] == name]
        remedy = (
            "run `snakemake pilot` with your profile, which asks some of its notes, and look again"
        )
        if same:
            remedy += f"; or look at what an earlier prompt or model gave: {', '.join(same)}"
        return NotemillError(
            f"{self.experiment_id} has answered nothing of cohort '{self.cohort}' yet",
            where=str(self.layout.answers_folder(self.cohort) / self.experiment_id),
            remedy=remedy,
        )


def looked_at(config: Config, cohort: str, experiment: str) -> Looked:
    """What the words mean. cohort: a name; experiment: a name or an id (NAME-FINGERPRINT).

    Raises NotemillError when there is no such cohort or experiment.
    """
    layout = Layout(config.results)
    extracted = {path.parent.name for path in layout.cohort("*").parent.glob("*/.frozen.json")}
    cohorts = extracted | config.cohorts.keys()
    if cohort not in cohorts:
        raise NotemillError(
            f"there is no cohort '{cohort}'",
            where="cohorts of the configuration",
            remedy=f"name one that is there: {', '.join(sorted(cohorts))}",
        )
    run = _run(config, layout, cohort, experiment)
    if run and cohort not in run.cohorts and run.experiment_id not in _asked(layout, cohort):
        raise NotemillError(
            f"experiment '{run.name}' is not asked over cohort '{cohort}'",
            where=f"experiments.{run.name}.cohorts",
            remedy=f"name one of its cohorts: {', '.join(run.cohorts)}",
        )
    return Looked(layout, cohort, run.experiment_id if run else experiment, run)


def _run(config: Config, layout: Layout, cohort: str, experiment: str) -> Run | None:
    """The planned run of this name or id; None for an id that was asked before."""
    asked = _asked(layout, cohort)
    try:
        runs = plan_runs(config)
    except NotemillError:
        if experiment in asked:  # what is answered can be read whatever became of its task
            return None
        raise
    for run in runs:
        if experiment in (run.name, run.experiment_id):
            return run
    if experiment in asked:
        return None
    raise NotemillError(
        f"there is no experiment '{experiment}'",
        where="experiments of the configuration",
        remedy=f"name one that is there: {', '.join(run.name for run in runs)}; or the id of one "
        f"that was asked of this cohort: {', '.join(asked) or 'there is none yet'}",
    )


def _asked(layout: Layout, cohort: str) -> list[str]:
    """Ids of all experiments that have asked something of the cohort."""
    beside = layout.pilot(cohort, "*").parent.glob("*.json")
    piloted = {path.stem for path in beside if "." not in path.stem}  # no live file, no slots
    return sorted({*experiments_of(layout, cohort), *piloted})

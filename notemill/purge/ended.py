"""Whether nothing that a configuration asks of a cohort needs its texts any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from notemill.answers.grades import graded_by
from notemill.answers.shard import read_origin
from notemill.audit.folder import Folder
from notemill.errors import NotemillError
from notemill.notes.manifest import Frozen, Manifest, read_frozen, read_manifest
from notemill.notes.purged import EXTRACT_AGAIN
from notemill.notes.recut import experiments_of
from notemill.paths import Layout, cut_name, shard_names
from notemill.tasks.run import Run

_NAMED = 5


def read_cohort(layout: Layout, cohort: str) -> Frozen:
    """What the cohort is. Raises NotemillError before it was read."""
    frozen = read_frozen(layout.frozen(cohort))
    if frozen is None:
        there = sorted(
            path.parent.name for path in layout.frozen("x").parent.parent.glob("*/.frozen.json")
        )
        raise NotemillError(
            f"no cohort '{cohort}' was read",
            where=str(layout.cohort(cohort)),
            remedy=f"name one that was: {', '.join(there) or 'there is none yet'}",
        )
    return frozen


def ended_runs(layout: Layout, cohort: str, cut: int, runs: Sequence[Run]) -> dict[str, str]:
    """The runs over the cohort, by id, with their grading of evidence.

    Raises NotemillError, naming all that is missing, unless each is answered and loaded, and asked
    again where that is configured; and unless the audits of the cohort are read.
    """
    manifest = read_manifest(layout.manifest(cohort, cut_name(cut)), of=cohort)
    mine = [run for run in runs if cohort in run.cohorts]
    left = [reason for run in mine for reason in _left(layout, manifest, run)]
    if not mine:
        left = ["no experiment of the configuration asks it, so none can have ended"]
    left += [
        f"audit '{path.parent.name}' of {path.parent.parent.name} is not read to its end"
        for path in sorted(layout.audits(cohort, "*").parent.glob("*/*/design.json"))
        if not Folder(path.parent).estimate.exists()
    ]
    if left:
        raise NotemillError(
            f"cohort '{cohort}' is not finished: " + "; ".join(left),
            where=str(layout.answers_folder(cohort)),
            remedy="run snakemake to its end (`notemill status` says how it goes), and read audits "
            "with `notemill audit read` or remove their folders. What is not to be finished: take "
            "it out of the configuration",
        )
    return {run.experiment_id: graded_by(run.task) for run in mine}


def _left(layout: Layout, manifest: Manifest, run: Run) -> list[str]:
    """What of a run needs the cohort's texts yet, or is not proven yet."""
    cohort, cut = manifest.cohort, cut_name(len(manifest.shards))
    shards = [
        layout.answers(cohort, run.experiment_id, cut, entry.name) for entry in manifest.shards
    ]
    missing = [path.stem for path in shards if not _stands(path, run)]
    left = []
    if missing:
        named = ", ".join(missing[:_NAMED]) + (" …" if len(missing) > _NAMED else "")
        left.append(f"{run.experiment_id} lacks {len(missing)} of {len(shards)} shards ({named})")
    if run.experiment.pilot.notes and not layout.pilot(cohort, run.experiment_id).exists():
        left.append(f"{run.experiment_id} lacks its pilot")
    if not layout.load(cohort, run.experiment_id).exists():
        left.append(f"{run.experiment_id} is not loaded")
    if run.experiment.repeat.notes and not layout.repeat(cohort, run.experiment_id).exists():
        left.append(f"{run.experiment_id} is not asked again (`repeat`)")
    return left


def _stands(path: Path, run: Run) -> bool:
    """Whether a result shard is there, graded as the task has it now. Raises if it is damaged."""
    return path.exists() and read_origin(path).evidence == graded_by(run.task)


def unfinished_others(layout: Layout, cohort: str, cut: int, runs: Sequence[Run]) -> list[str]:
    """Experiments that have begun to ask the cohort, and that the configuration does not name."""
    known = {run.experiment_id for run in runs}
    return [
        name
        for name in experiments_of(layout, cohort)
        if name not in known
        and not all(
            layout.answers(cohort, name, cut_name(cut), shard).exists()
            for shard in shard_names(cut)
        )
    ]


def told_afterwards(cohort: str) -> str:
    """What can't be done any more."""
    return (
        f"Of cohort '{cohort}' no new experiment, task or prompt can be asked, no page of `look` "
        "and no audit drawn, evidence not graded otherwise, and its number of shards not changed. "
        "Loads, figures, comparisons and the report can be made again. "
        + EXTRACT_AGAIN[0].upper()
        + EXTRACT_AGAIN[1:]
        + "."
    )

"""Which tasks are asked together: in one job a shard, about one note after another.

A batch is fixed when it is first asked: each task's record names all that were in it. So a task
that is added later, or whose prompt was changed, is in a batch of its own and asks only itself, and
one that is taken away leaves the others as they are. A plan made while the records are being
written comes out the same, for they name the very batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from notemill.answers.experiment_record import experiment_record
from notemill.answers.grades import graded_by
from notemill.paths import Layout
from notemill.tasks.run import Run


@dataclass(frozen=True)
class Batch:
    """Tasks of one experiment that are asked together.

    experiment: its name. asked_with: ids of all that were to be asked when it was fixed, sorted;
    runs: those of them that the configuration still has, in the order they are asked in.
    graded: how the evidence of a task is graded by now, where it was otherwise when it was asked:
    then it is in a batch of its own, whose shards are written again and not asked.
    """

    experiment: str
    asked_with: tuple[str, ...]
    runs: tuple[Run, ...]
    graded: str = ""

    @property
    def name(self) -> str:
        """Of its rules and logs, the same as long as it is the same batch."""
        digest = hashlib.sha256(" ".join(self.asked_with).encode()).hexdigest()
        return f"{self.experiment}_{digest[:12]}"

    @property
    def cohorts(self) -> list[str]:
        """Names of the cohorts that it asks, the same for all its tasks."""
        return self.runs[0].cohorts


def batches(runs: Sequence[Run], layout: Layout) -> list[Batch]:
    """The batches of all runs that are asked beside others. Raises NotemillError for a record that
    can't be read."""
    by_experiment: dict[str, list[Run]] = {}
    for run in runs:
        if run.experiment.together:
            by_experiment.setdefault(run.experiment.together, []).append(run)
    return [
        batch for name, tasks in by_experiment.items() for batch in _batches(name, tasks, layout)
    ]


def _batches(name: str, runs: list[Run], layout: Layout) -> Iterable[Batch]:
    recorded: dict[str, tuple[str, ...]] = {}
    for run in runs:
        record = experiment_record(layout, run.experiment_id)
        if not record:
            continue
        if record.graded != graded_by(run.task):
            alone = (run.experiment_id,)
            yield Batch(name, alone, (run,), graded_by(run.task))
            recorded[run.experiment_id] = ()
        else:
            recorded[run.experiment_id] = record.asked_with or (run.experiment_id,)
    # A job that was killed while it wrote the records has named them all in the first.
    for fixed in list(recorded.values()):
        recorded |= {each: fixed for each in fixed if each not in recorded}
    new = tuple(sorted({run.experiment_id for run in runs} - recorded.keys()))
    members: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        members.setdefault(recorded.get(run.experiment_id, new), []).append(run)
    members.pop((), None)
    for fixed, tasks in members.items():
        yield Batch(name, fixed, tuple(sorted(tasks, key=_order)))


def _order(run: Run) -> tuple[bool, str]:
    """Those that number the note's sentences stand together: they share another prefix."""
    evidence = run.task.evidence
    return bool(evidence and evidence.numbered), run.experiment_id

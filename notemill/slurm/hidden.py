"""A job that runs again hides nothing that is missing behind it.

Snakemake 9 looks for no other reason in what lies behind a job that runs, for that will run anyway.
Behind an `ancient` input it does not: then a plan ends well with only the first job of it done, as
after an extract whose snakemake was killed in its last moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from snakemake.dag import DAG
from snakemake.jobs import Job

_finding_reasons: ContextVar[bool] = ContextVar("finding reasons", default=False)

_Edges = Mapping[Job, Mapping[Job, set[Any]]]

_update_needrun = DAG.update_needrun
_bfs = DAG.bfs


def mend_hidden() -> None:
    """Let each job be looked at that another's run alone does not bring about, in this process."""
    DAG.update_needrun = _updated_needrun
    DAG.bfs = _walked


async def _updated_needrun(dag: DAG, *arguments: Any, **options: Any) -> None:
    token = _finding_reasons.set(True)
    try:
        await _update_needrun(dag, *arguments, **options)
    finally:
        _finding_reasons.reset(token)


def _walked(
    dag: DAG,
    direction: _Edges | _WithoutAncient,
    *jobs: Job,
    stop: Callable[[Job], bool] = lambda _: False,
) -> Iterator[Job]:
    if _finding_reasons.get() and direction is dag.depending:
        direction = _WithoutAncient(direction)
    yield from _bfs(dag, direction, *jobs, stop=stop)


class _WithoutAncient:
    """The jobs that a job's run brings about: those with an input of it that is not `ancient`."""

    def __init__(self, depending: _Edges) -> None:
        self._depending = depending

    def __getitem__(self, job: Job) -> Mapping[Job, set[Any]]:
        return {
            behind: files
            for behind, files in self._depending[job].items()
            if not all(file.is_ancient for file in files)
        }

"""Which files an experiment's answers over a cohort go to, and whether they are still there.

Imports nothing heavier than Pydantic, because every Slurm job plans.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from notemill.errors import NotemillError
from notemill.files import Record, read_json
from notemill.paths import Layout
from notemill.tasks.run import Run


class Delivered(Record):
    """The files that a load has written, and how often a file that was gone made it run again."""

    edition: int
    outputs: list[str]


def output_paths(run: Run, cohort: str) -> list[Path]:
    """The files of an experiment over a cohort."""
    places = {"{cohort}": cohort, "{experiment}": run.experiment_id}
    return [_filled(str(path), places) for path in run.experiment.outputs]


def edition(layout: Layout, cohort: str, run: Run) -> int:
    """A number that stays as it is while the files are there, and is another one when one is gone.

    It is a parameter of the load's rule, so that Snakemake runs it then. The load takes the number
    for its own (`Delivered`): after it nothing has changed.
    """
    path = layout.delivered(cohort, run.experiment_id)
    if not path.exists():
        return 0
    with suppress(NotemillError):
        known = read_json(Delivered, path, problem="", remedy="")
        wanted = set(map(str, output_paths(run, cohort)))
        gone = [each for each in known.outputs if each in wanted and not Path(each).exists()]
        return known.edition + bool(gone)
    return 0


def _filled(name: str, places: dict[str, str]) -> Path:
    for place, value in places.items():
        name = name.replace(place, value)
    return Path(name)

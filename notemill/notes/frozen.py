"""What the plan asks of cohorts that were extracted before: that they are still the same.

Imports nothing heavier than Pydantic and reads one small file a cohort, because every Slurm job
plans twice.
"""

from __future__ import annotations

from typing import Any

from notemill.config import Cohort, Config
from notemill.errors import NotemillError
from notemill.notes.manifest import Frozen, read_frozen
from notemill.paths import Layout


def check_cohorts(config: Config) -> None:
    """Hold every cohort to what it was when it was read.

    Raises NotemillError where the configuration says another query, columns or choice of rows.
    """
    layout = Layout(config.results)
    for name, cohort in config.cohorts.items():
        if frozen := read_frozen(layout.frozen(name)):
            check_same_cohort(name, cohort, frozen, layout)


def check_same_cohort(name: str, cohort: Cohort, frozen: Frozen, layout: Layout) -> None:
    """Raise NotemillError if the cohort's configuration is not what it was read with."""
    if frozen.cohort != name:
        raise NotemillError(
            f"what was read as cohort '{frozen.cohort}' lies where cohort '{name}' belongs",
            where=str(layout.cohort(name)),
            remedy=f"a cohort can't be renamed: call it '{frozen.cohort}' in the configuration and "
            f"bring it back there. {give_up(name, layout)}",
        )
    before = {
        "query": frozen.query,
        "id_columns": [column.name for column in frozen.id_columns],
        "text_column": frozen.text_column,
        "same_id_different_text": frozen.same_id_different_text,
    }
    now = {key: getattr(cohort, key) for key in before}
    other = [key for key in before if _plain(before[key]) != _plain(now[key])]
    if other:
        raise NotemillError(
            f"cohort '{name}' was read on {frozen.extracted_at} with another {', '.join(other)}:\n"
            + "\n".join(
                f"    {key}, read: {before[key]}\n    {key}, now: {now[key]}" for key in other
            ),
            where=f"cohorts.{name}",
            remedy="a cohort is read once and then frozen: put this into a cohort with another "
            "name, or set back what was read. " + give_up(name, layout),
        )


def give_up(name: str, layout: Layout) -> str:
    """How to read a cohort anew under its own name."""
    below = [layout.results / folder / name for folder in ("answers", "tables", "pilots")]
    folders = [layout.cohort(name), *below]
    return (
        "To give the cohort up with all its answers and read it anew under its name: "
        f"rm -rf {' '.join(map(str, folders))}"
    )


def _plain(value: Any) -> Any:
    """White space around a query and the semicolon behind it change nothing."""
    return value.strip().rstrip(";").rstrip() if isinstance(value, str) else value

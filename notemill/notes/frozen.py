"""What the plan asks of cohorts that were extracted before: that they are still the same.

Imports nothing heavier than Pydantic and reads one small file a cohort, because every Slurm job
plans twice. Files of a cohort are looked at by the process that plans, not by its jobs.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from notemill.config import Cohort, Config
from notemill.errors import NotemillError
from notemill.locks import LockedFile
from notemill.logs import log
from notemill.notes.manifest import Frozen, read_frozen
from notemill.notes.sources.changes import same_contents, touched
from notemill.notes.sources.files import check_each_once, files_of
from notemill.paths import Layout

_FILES = "files, no query"


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
        "query": frozen.query or _FILES,
        "id_columns": _ids([column.name for column in frozen.id_columns], frozen.numbered),
        "text_column": _text(frozen.text_column, frozen.messages),
        "same_id_different_text": frozen.same_id_different_text,
    }
    now = {
        "query": cohort.query or _FILES,
        "id_columns": _ids(cohort.id_columns, cohort.numbered),
        "text_column": _text(cohort.text_column, cohort.messages),
        "same_id_different_text": cohort.same_id_different_text,
    }
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


def check_files(config: Config) -> dict[str, list[str]]:
    """Hold the files of all cohorts to what was read; where nothing was, look that there are any.

    Opens none of them. Returns for cohorts the files whose time alone is another: only a look into
    them tells whether they are the same. Raises NotemillError for files that are not there, or
    others.
    """
    layout = Layout(config.results)
    found = {}
    for name, cohort in config.cohorts.items():
        if cohort.files is None:
            continue
        frozen = read_frozen(layout.frozen(name))
        if frozen is None or frozen.files is None:
            check_each_once(name, files_of(name, cohort.files))
        elif suspects := touched(name, cohort, frozen.files, give_up(name, layout)):
            found[name] = [*suspects]
    return found


def compare_files(config: Config) -> None:
    """Compare what `check_files` could not tell; what is the same is not compared again.

    Raises NotemillError for files that are others.
    """
    layout = Layout(config.results)
    for name in check_files(config):
        lock = layout.cohort(name) / ".lock"
        with closing(LockedFile(lock, f"comparing the files of cohort '{name}'")):
            if frozen := read_frozen(layout.frozen(name)):
                check_same_files(name, config.cohorts[name], frozen, layout)


def told_touched(cohort: str, files: list[str]) -> str:
    """What `check_files` found of a cohort, for the user."""
    more = f" and {len(files) - 5} more" if len(files) > 5 else ""
    return (
        f"cohort '{cohort}': {', '.join(files[:5])}{more}: the size is what it was when the cohort "
        "was read, the time is another; what is in it is compared when a run begins, and by "
        "`notemill check`"
    )


def check_same_files(name: str, cohort: Cohort, frozen: Frozen, layout: Layout) -> Frozen:
    """Raise NotemillError if the cohort's files are not those that it was read from.

    Size and time are looked at; a file of another time is read whole and compared by its sha256,
    and if it is the same its new time is kept. The caller has the cohort's lock.
    """
    if cohort.files is None or frozen.files is None:
        return frozen
    again = give_up(name, layout)
    if suspects := touched(name, cohort, frozen.files, again):
        log.info("cohort '%s': comparing %s", name, ", ".join([*suspects][:5]))
        files = same_contents(name, frozen.files, suspects, again)
        frozen = frozen.model_copy(update={"files": files})
        frozen.write(layout.frozen(name))
    return frozen


def _ids(names: list[str], numbered: bool) -> list[str] | str:
    return f"{', '.join(names)}: the line's number" if numbered else names


def _text(name: str, messages: bool) -> str:
    return f"{name} of chat messages" if messages else name


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

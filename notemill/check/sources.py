"""A cohort's files: whether they are what was read, or what their first rows are."""

from __future__ import annotations

from itertools import islice

from notemill.check.finding import Findings, size
from notemill.config import Cohort, Config
from notemill.database.keys import IdColumn, check_key_length
from notemill.errors import NotemillError
from notemill.notes.frozen import give_up
from notemill.notes.manifest import read_frozen
from notemill.notes.sources.changes import same_contents, touched
from notemill.notes.sources.files import files_of
from notemill.notes.sources.rows import first_rows
from notemill.paths import Layout

_ROWS = 5
_FILES = 100
"""Of which the first rows are read."""


def try_files(config: Config, ids: dict[str, list[IdColumn]]) -> Findings:
    """What the files of all cohorts say. ids: id columns by cohort, to which those are added.

    Of a cohort that was read before the files are compared, those of another time by what is in
    them; of a new one some rows are read as extract would.
    """
    found = Findings("files")
    layout = Layout(config.results)
    for name, cohort in config.cohorts.items():
        if cohort.files is None:
            continue
        try:
            frozen = read_frozen(layout.frozen(name))
            if frozen is None or frozen.files is None:
                if columns := _first_rows(name, cohort, found):
                    ids[name] = columns
                if config.database:
                    check_key_length(columns, config.database.dialect)
                continue
            again = give_up(name, layout)
            suspects = touched(name, cohort, frozen.files, again)
            same_contents(name, frozen.files, suspects, again)
        except NotemillError as error:
            found.refused(error)
        else:
            how = "by what is in them too" if suspects else "by size and time"
            found.ok(f"cohort {name}: its files are those that it was read from, {how}")
    return found


def _first_rows(name: str, cohort: Cohort, found: Findings) -> list[IdColumn]:
    paths = files_of(name, cohort.files or [])
    some = dict(islice(paths.items(), _FILES))
    columns, told = first_rows(name, cohort, some, _ROWS)
    kinds = [f"{column.name}: id, {column.kind}" for column in columns]
    whole = size(sum(path.stat().st_size for path in paths.values()))
    less = f"; the first {_FILES} of them can be read" if len(paths) > len(some) else ""
    found.ok(
        f"cohort {name}: {len(paths)} file{'s' if len(paths) > 1 else ''}, {whole}{less}",
        [*told[:_ROWS], *kinds, f"{cohort.text_column}: the note's text"],
    )
    return columns

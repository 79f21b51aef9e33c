"""What was made last, kept where Snakemake does not delete it before a job that may be refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from notemill.errors import NotemillError
from notemill.files import written_whole
from notemill.leftovers import aside
from notemill.logs import log


def last_good(path: Path) -> Path:
    """Where the file stays as it was last made: results/evaluations/.NAME.last.json."""
    name, dot, kind = path.name.partition(".")
    return path.with_name(f".{name}.last{dot}{kind}")


@contextmanager
def last_one_kept(*paths: Path) -> Iterator[None]:
    """Keep what is made here; say, where it is refused, where the last one is.

    The file itself is gone then, as Snakemake has it: so it is made anew by the next run, and
    nothing takes figures for those of what was refused.
    """
    try:
        yield
    except NotemillError:
        for last in map(last_good, paths):
            if last.exists():
                log.warning("what was made last, of what was there before, is kept in %s", last)
        raise
    for path in paths:
        _keep(path)


def _keep(path: Path) -> None:
    """One inode where the file system knows links: files appear by a rename, so none is shared."""
    last = last_good(path)
    linked = aside(last)
    try:
        os.link(path, linked)
    except OSError:
        with written_whole(last) as partial:
            shutil.copyfile(path, partial)
    else:
        linked.replace(last)
        linked.unlink(missing_ok=True)  # it stays where both were links to one file already

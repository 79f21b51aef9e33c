"""What a round has left where nothing should be: processes, files, jobs, sessions, locks."""

from __future__ import annotations

import fcntl
import time
from contextlib import suppress

import psutil

from tests.chaos.project import RESULTS, ChaosProject
from tests.servers.mariadb import MariaDB

_TABLES = {"notes", RESULTS, f"{RESULTS}_failures", "notemill_experiments"}
_SETTLE_S = 45.0
"""Slurm ends a cancelled job's last processes in some 30 s."""


def files_left(project: ChaosProject) -> list[str]:
    """What lies or is locked where nothing should be, in the project and the temporary folder."""
    return [*_files(project), *_held(project), *_temporary(project)]


def leftovers(project: ChaosProject, *, servers_killed: int = 0) -> list[str]:
    """Each thing that is left, once what ends by itself has had the time to.

    servers_killed: servers of the pool that were killed hard; their published files may stay.
    """
    left: list[str] = []
    end = time.monotonic() + _SETTLE_S
    for look in (_jobs, _processes, _sessions):
        while (found := look(project)) and time.monotonic() < end:
            time.sleep(0.5)
        left += found
    left += [*files_left(project), *_tables(project)]
    published = sorted((project.folder / "pool").glob("*.json"))
    if len(published) > servers_killed:
        left.append(f"published endpoints: {[path.name for path in published]}")
    return left


def _jobs(project: ChaosProject) -> list[str]:
    return [f"Slurm job {job} ({name})" for job, name in project.jobs().items()]


def _processes(project: ChaosProject) -> list[str]:
    found = []
    for process in project.processes():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"process {process.pid}: {' '.join(process.cmdline())[-120:]}")
    return found


def _sessions(project: ChaosProject) -> list[str]:
    """Of the workflow's account: with them go its locks and temporary tables."""
    database = project.database
    if isinstance(database, MariaDB):
        rows = database.execute(
            "SELECT id, command, info FROM information_schema.processlist "
            f"WHERE user = '{database.user}'"
        )
    else:
        rows = database.execute(
            f"SELECT pid, state, query FROM pg_stat_activity WHERE usename = '{database.user}'"
        )
    return [f"database session {row}" for row in rows]


def _tables(project: ChaosProject) -> list[str]:
    database = project.database
    rows = database.execute(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{database.schema}'"
        if isinstance(database, MariaDB)
        else f"SELECT tablename FROM pg_tables WHERE tableowner = '{database.user}' "
        "AND schemaname NOT LIKE 'pg_temp%'"
    )
    return [f"table {name}" for (name,) in rows if name not in _TABLES]


def _files(project: ChaosProject) -> list[str]:
    """Half-written files, locks, and lines that a journal's reader could not use."""
    ends = (".partial", ".lock", ".tmp", ".rejected.jsonl")
    # A cohort's own `.lock` is the file that is locked: it stays.
    found = [
        path
        for path in project.results.rglob("*")
        if path.name.endswith(ends) and path.name != ".lock"
    ]
    found += (project.project.folder / ".snakemake" / "locks").glob("*")
    return [f"file {path.relative_to(project.project.folder)}" for path in found]


def _held(project: ChaosProject) -> list[str]:
    """Locks that somebody still has."""
    places = [*project.results.rglob("*.journal.jsonl"), *project.results.rglob(".lock")]
    found = []
    for path in places:
        with path.open("rb+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(f"lock on {path.relative_to(project.results)}")
    return found


def _temporary(project: ChaosProject) -> list[str]:
    """What notemill made in the nodes' temporary folder."""
    folder = project.temporary_disk.folder
    found = []
    for place in sorted(folder.glob("notemill*")):
        inside = sorted(str(path.relative_to(place)) for path in place.rglob("*"))
        found.append(f"temporary {place.name}: {', '.join(inside) or 'empty'}")
    return found

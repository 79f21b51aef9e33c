"""A database that goes away: what was begun is done again from its start, once it is back.

So only that may be handed in of which nothing half done is left: a read, or a transaction that
proves what it leaves, whether or not the server still took the COMMIT of the one before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from notemill.config import Database
from notemill.database.away import DatabaseAway
from notemill.database.connect import connect
from notemill.database.refusals import database_errors
from notemill.logs import log

Done = TypeVar("Done")
_TRIES = 3
"""Of work that a database which is there ends each time: the work itself may be the reason."""
_PAUSES_S = (1, 2, 4, 8)
"""Between two looks; the last one again and again."""
_LINE_EVERY_S = 60
_BEFORE_JOB_ENDS_S = 60
"""So that a Slurm job ends with a message, and not by its time limit."""


def when_there(database: Database, doing: str, work: Callable[[], Done]) -> Done:
    """Do the work; when the database goes away, wait until it is back and do all of it again.

    It is waited for up to `database.wait` each time, in a Slurm job only while the job lasts, and
    the log says so. doing: what the work is, such as "reading cohort 'x'".

    Raises what the work raises: at once where waiting mends nothing, as with a wrong password.
    Raises DatabaseAway when the wait is over, and when the work was ended so in each of its tries.
    """
    for number in range(1, _TRIES + 1):
        try:
            return work()
        except DatabaseAway as away:
            if number == _TRIES or not database.wait_s:
                raise
            gone = away
        _wait(database, doing, gone)
        log.info("the database is there again; %s starts over", doing)
    raise AssertionError("unreachable")


def _wait(database: Database, doing: str, gone: DatabaseAway) -> None:
    """Return when the database takes a connection. Raises NotemillError."""
    began = time.monotonic()
    wait, why = _patience(database)
    log.warning("%s", gone)
    until = datetime.now() + timedelta(seconds=wait)
    log.warning("waiting for the database until %s at most (%s)", f"{until:%H:%M:%S}", why)
    pauses, next_line = list(_PAUSES_S), began + _LINE_EVERY_S
    while (left := began + wait - time.monotonic()) > 0:
        time.sleep(min(pauses[0], left))
        pauses = pauses[1:] or pauses
        try:
            _look(database, doing)
        except DatabaseAway as away:
            gone = away
        else:
            return
        if time.monotonic() >= next_line:
            next_line = time.monotonic() + _LINE_EVERY_S
            log.info("still waiting for the database, %s", _told(time.monotonic() - began))
    raise DatabaseAway(
        f"{gone.what}; it was waited for {_told(wait)} ({why})",
        where=gone.where,
        remedy=f"{gone.remedy}. When it is there, run again: nothing half done is left behind",
    ) from None


def _look(database: Database, doing: str) -> None:
    """Open a connection and close it. Raises NotemillError."""
    with database_errors(database, doing):
        engine = connect(database)
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1")
        finally:
            engine.dispose()


def _patience(database: Database) -> tuple[float, str]:
    """Seconds to wait, and what says so."""
    with suppress(KeyError, ValueError):
        left = int(os.environ["SLURM_JOB_END_TIME"]) - time.time() - _BEFORE_JOB_ENDS_S
        if left < database.wait_s:
            return max(left, 0), "the time limit of this Slurm job, before database.wait"
    return database.wait_s, f"database.wait: {database.wait}"


def _told(seconds: float) -> str:
    """In words, such as '2 min' or '40 s'."""
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"

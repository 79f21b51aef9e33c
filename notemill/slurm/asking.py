"""Ask squeue and sacct about the jobs of a run."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from notemill.slurm.states import Rows, read_rows

_ANSWER_S = 60
_AWAY = re.compile(
    "unable to contact slurm controller|connection refused|socket timed out|zero bytes were"
    "|unexpected message received|standby mode|connection timed out|no response to persist_init"
    "|communication connection failure|no route to host|connection reset"
    "|problem talking to (the )?database",
    re.IGNORECASE,
)
_NO_ACCOUNTING = "accounting storage is disabled"


@dataclass(frozen=True)
class Answers:
    """What both commands said: rows, or None and the reason when there was no answer."""

    queue: Rows | None
    accounting: Rows | None
    reasons: tuple[str, ...]


def is_away(message: str) -> bool:
    """Whether the message is about a controller or a database that can't be reached just now."""
    return bool(_AWAY.search(message))


async def ask(run: str, clusters: Collection[str], *, with_sacct: bool) -> Answers:
    """The jobs whose name is `run`, in the queue and in accounting; several with commas between.

    clusters: those that jobs were sent to by name, if any. with_sacct: False where the user has
    chosen squeue alone; then accounting has no rows.
    """
    queue, accounting = await asyncio.gather(
        _rows(squeue(run, clusters)),
        _rows(_sacct(run)) if with_sacct and shutil.which("sacct") else _nothing(),
    )
    rows_of_queue, why_queue = queue
    rows_of_accounting, why_accounting = accounting
    if _NO_ACCOUNTING in why_accounting:
        rows_of_accounting, why_accounting = {}, ""
    reasons = (("squeue", why_queue), ("sacct", why_accounting))
    return Answers(
        rows_of_queue, rows_of_accounting, tuple(f"{name}: {why}" for name, why in reasons if why)
    )


def squeue(
    run: str, clusters: Collection[str], columns: str = "%i|%T|%N", states: str = "all"
) -> list[str]:
    """The command that lists the run's jobs; jobs that ended stay for a while (MinJobAge)."""
    where = [f"--clusters={','.join(sorted(clusters))}"] if clusters else []
    return [
        *("squeue", "--noheader", f"--states={states}", f"--name={run}", f"--format={columns}"),
        *where,
    ]


def _sacct(run: str) -> list[str]:
    # The plugin's own window: jobs in any state within the last two days.
    since = f"{datetime.now() - timedelta(days=2):%Y-%m-%dT%H:00}"
    return [
        *("sacct", "-X", "--parsable2", "--noheader", "--clusters=all", f"--name={run}"),
        *("--format=JobIDRaw,State,NodeList", f"--starttime={since}", "--endtime=now"),
    ]


async def _nothing() -> tuple[Rows | None, str]:
    return {}, ""


async def _rows(command: Sequence[str]) -> tuple[Rows | None, str]:
    """The command's rows, or None and why there are none."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        return None, str(error.strerror)
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _ANSWER_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None, f"no answer within {_ANSWER_S} s"
    if process.returncode:
        lines = errors.decode(errors="replace").strip().splitlines()
        return None, lines[-1] if lines else f"status {process.returncode}"
    return read_rows(output.decode(errors="replace")), ""

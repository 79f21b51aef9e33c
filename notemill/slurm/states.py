"""What Slurm says about jobs, and whether that is their end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

COMPLETED = "COMPLETED"
# The base states of Slurm 22.05 to 26.05 in which a job has ended and did not complete. Its other
# words (COMPLETING, REQUEUED, SUSPENDED, ...) are about jobs that go on. A word that is not here
# is waited for, until squeue does not know the job any more: see Absences.
FAILED = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "TIMEOUT",
    }
)
# Of a federation's other clusters, once one has started the job: nothing about the job itself.
_ELSEWHERE = "REVOKED"


@dataclass(frozen=True)
class Seen:
    """A job as squeue or sacct shows it; `state` as it stands there ("CANCELLED by 1000")."""

    state: str
    nodes: str = ""

    @property
    def word(self) -> str:
        """The state alone: without "by UID", and without the + of a column that is too narrow."""
        return self.state.partition(" ")[0].rstrip("+")

    @property
    def ended(self) -> bool:
        """Whether no more is to come."""
        return self.word == COMPLETED or self.word in FAILED


Rows = Mapping[str, Seen]
"""Job id to what one command shows of it."""


def read_rows(text: str) -> dict[str, Seen]:
    """The lines `id|state|nodes` of squeue or sacct; headings of clusters are passed over."""
    rows: dict[str, Seen] = {}
    for line in text.splitlines():
        job, bar, rest = line.strip().partition("|")
        state, _, nodes = rest.partition("|")
        if not bar or (job in rows and state.startswith(_ELSEWHERE)):
            continue
        rows[job] = Seen(state.strip(), nodes.strip())
    return rows


def end_of(job: str, queue: Rows | None, accounting: Rows | None) -> Seen | None:
    """The job's end, None as long as none is known.

    `queue`: squeue's rows, None when it did not answer; it comes first, because accounting still
    has the end of a run when Slurm has put the job back into the queue. `accounting`: sacct's.
    """
    for rows in (queue, accounting):
        if rows and (seen := rows.get(job)):
            return seen if seen.ended else None
    return None


class Absences:
    """Since when jobs without an end are not in the queue, by a clock in seconds."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: dict[str, float] = {}

    def lost(self, job: str, queue: Rows | None, accounting: Rows | None, now: float) -> bool:
        """Whether both have answered for so long, and no end came from either.

        An answer that did not come says nothing about a job: the time begins anew.
        """
        if queue is None or accounting is None or job in queue:
            self._since.pop(job, None)
            return False
        if now - self._since.setdefault(job, now) <= self._patience:
            return False
        del self._since[job]  # a Slurm that lost its state may give the number again
        return True

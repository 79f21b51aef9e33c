"""Jobs that an earlier snakemake of this folder left in Slurm, when it was killed or its host died.

They go on by themselves. A second job on such a shard would find it locked, spend its tries and its
GPU, and leave the shard to the next run; so the one that is there is watched in its place.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass

from notemill.slurm.asking import is_away

_RULES = re.compile(r"(answer|pilot_job)(_|$)")
"""What a job of these does is said by its wildcards: the experiment is a fingerprint."""
_LIST = [
    *("squeue", "--me", "--noheader", "--format=%i|%j|%k|%Z"),
    "--states=PENDING,CONFIGURING,RUNNING,SUSPENDED",
]
"""The command that lists all my jobs that are still to end."""


@dataclass(frozen=True)
class Earlier:
    """A job of an earlier run. run: the name that all jobs of that run have."""

    number: str
    run: str


class EarlierJobs:
    """Jobs in this folder of other runs than `run`; each is taken once, retries are our own.

    prefix: of the names of all our runs. warn: is told what can't be listed.
    """

    def __init__(self, folder: str, run: str, prefix: str, warn: Callable[[str], None]) -> None:
        self._whose = folder, run, prefix
        self._warn = warn
        self._known: dict[str, dict[str, Earlier]] = {}
        self._one = threading.Lock()

    def take(self, comment: str, clusters: str, is_back: Callable[[str], bool]) -> Earlier | None:
        """The job of this comment on these clusters (empty: where squeue asks by itself).

        is_back: waits for a controller that is away, by what it said last; False when for too long.
        """
        with self._one:
            if (
                clusters not in self._known
                and (found := self._found(clusters, is_back)) is not None
            ):
                self._known[clusters] = found
            if comment not in self._known.get(clusters, {}):
                return None
            # It may have ended since: of one that is gone nobody would ever tell the end.
            if (found := self._found(clusters, is_back)) is not None:
                self._known[clusters] = found
            return self._known[clusters].pop(comment, None)

    def _found(self, clusters: str, is_back: Callable[[str], bool]) -> dict[str, Earlier] | None:
        """By comment; None where nobody knows, for the controller was away for too long."""
        command = [*_LIST, *([f"--clusters={clusters}"] if clusters else [])]
        while shutil.which(command[0]):
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if not done.returncode:
                return earlier_jobs(done.stdout, *self._whose)
            if not is_away(done.stderr):
                self._warn(
                    "Jobs that an earlier snakemake may have left can't be listed, and are not "
                    f"watched: {done.stderr.strip()}"
                )
                break
            if not is_back(done.stderr):
                return None
        return {}


def can_be_taken_over(rule: str) -> bool:
    """Whether another run's job of the rule, as a module may name it, does what ours would do."""
    return bool(_RULES.match(rule))


def earlier_jobs(listed: str, folder: str, run: str, prefix: str) -> dict[str, Earlier]:
    """Jobs in this folder by their comments, without those of `run` itself.

    listed: what squeue prints. prefix: of the names of all our runs.
    """
    found: dict[str, Earlier] = {}
    for line in listed.splitlines():
        number, name, comment, where = [*line.strip().split("|", 3), "", "", ""][:4]
        if where == folder and name != run and name.startswith(prefix):
            found[comment] = Earlier(number, name)
    return found

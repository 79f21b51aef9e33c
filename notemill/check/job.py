"""A job of a minute on a node of the answer stage, and what it tells; never left behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from notemill.check.finding import Findings
from notemill.check.node import LOCK, LOG, REPORT, REQUEST, Report, Request, written
from notemill.check.partitions import run
from notemill.check.stages import sbatch
from notemill.config import Config
from notemill.database.connect import address
from notemill.files import private_folder, read_json
from notemill.locks import LockedFile
from notemill.slurm.asking import ask, squeue
from notemill.slurm.states import end_of
from notemill.slurm.submissions import Probe, Submission

MINUTES = 5
"""The job's own limit; it takes seconds where everything is in order."""
_PACKAGES = Path(__file__).parents[2]
_POLL_S = 1.0
_ARRIVES_S = 60
"""How long a file may take from node to node, as in the profiles' latency-wait."""
_CLOCKS_S = 30
_LINES = 5


@contextmanager
def probe_folder(config: Config) -> Iterator[tuple[Path, Probe]]:
    """A private folder for request and report, and what the job is called; gone afterwards."""
    name = f"notemill-check-{secrets.token_hex(4)}"
    results = config.results.absolute()
    made = [folder for folder in (results, *results.parents) if not folder.exists()]
    folder = private_folder(results / ".check" / name)
    try:
        yield folder, Probe(name=name, log=str(folder / LOG), minutes=MINUTES)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # not empty: of another check, or begun by a run meanwhile
            for empty in (folder.parent, *made):
                empty.rmdir()


def probe_node(
    config: Config,
    submission: Submission,
    probe: Probe,
    *,
    wait_s: float,
    say: Callable[[str], None],
    found: Findings,
) -> None:
    """Submit the job, wait for its report, and say what is in it.

    wait_s: how long it may be in the queue. say: takes its state whenever that changes.
    """
    folder = Path(probe.log).parent
    request = Request(
        folder=str(Path.cwd()),
        config=written(config),
        database=address(config.database) if config.database else None,
    )
    request.write(folder / REQUEST)
    with closing(LockedFile(folder / LOCK, "checking")), _cancelled(probe.name, submission):
        submitted = time.time()
        if (number := _submitted(submission, probe, folder, found)) is None:
            return
        report = _waited(number, submission, probe, folder, wait_s, say, found)
        if report is None:
            return
    found += report.findings
    found.ok(f"its report was written on {report.host} and read here")
    early, late = submitted - report.at, report.at - time.time()
    if max(early, late) > _CLOCKS_S:
        found.warn(
            f"the clock of {report.host} is {max(early, late):.0f} s "
            f"{'behind' if early > late else 'ahead'}",
            where=report.host,
            remedy="tell your site: times in logs and rows, and certificates, go by it",
        )


def _submitted(submission: Submission, probe: Probe, folder: Path, found: Findings) -> str | None:
    python = ["env", f"PYTHONPATH={_PACKAGES}", sys.executable, "-P"]
    program = shlex.join([*python, "-m", "notemill.check.node", str(folder)])
    done = sbatch(f"{submission.probe} --wrap={shlex.quote(program)}")
    number = done.stdout.strip().partition(";")[0].split()[-1:]
    if done.returncode or not number:
        found.refuse(
            f"the check's own job was not taken: {(done.stderr or done.stdout).strip()}",
            where=f"rule {submission.rule} in the profile, with a limit of {MINUTES} minutes",
            remedy="correct the rule's resources in the profile; sbatch's words are above",
        )
        return None
    return number[0]


def _waited(
    number: str,
    submission: Submission,
    probe: Probe,
    folder: Path,
    wait_s: float,
    say: Callable[[str], None],
    found: Findings,
) -> Report | None:
    """The job's report; None, with a finding that says why, when there is none."""
    clusters = [submission.clusters] if submission.clusters else []
    started, last, ended = time.monotonic(), "", 0.0
    while not _is_there(folder / REPORT):
        time.sleep(_POLL_S)
        state, reason = _state(probe.name, clusters)
        if (told := f"{state} ({reason})" if reason else state) and told != last:
            last = told
            say(f"Slurm job {number} of the check: {told}")
        answers = asyncio.run(ask(probe.name, clusters, with_sacct=True))
        end = end_of(number, answers.queue, answers.accounting)
        now = time.monotonic()
        if end is not None:
            ended = ended or now
            # A job that failed has nothing more to write; a file may still be on its way.
            if now - ended > (_ARRIVES_S if end.word == "COMPLETED" else 3 * _POLL_S):
                _no_report(number, end.state, end.nodes, folder, found)
                return None
        elif state in ("", "PENDING", "CONFIGURING") and now - started > wait_s:
            found.warn(
                f"the check's own job is still in the queue after {wait_s / 60:.0f} minutes "
                f"({last or 'Slurm does not say why'}), and was taken back: nothing is known of "
                "a node",
                where=f"partition {submission.partition or 'by default'}",
                remedy="wait longer (--wait MINUTES), ask when the queue is shorter, or leave "
                "this out (--no-job)",
            )
            return None
    return read_json(
        Report, folder / REPORT, problem="this is no report", remedy="run the check again"
    )


def _is_there(path: Path) -> bool:
    # Reading the folder anew is what makes NFS look at the server.
    with suppress(OSError):
        return path.name in os.listdir(path.parent)  # noqa: PTH208
    return False


def _state(name: str, clusters: list[str]) -> tuple[str, str]:
    """The job's state and Slurm's reason for it, both empty when nothing is told."""
    done = run(squeue(name, clusters, "%T|%r"))
    line = next((line for line in done.stdout.splitlines() if "|" in line), "|")
    state, _, reason = line.partition("|")
    return state.strip(), "" if reason.strip() == "None" else reason.strip()


def _no_report(number: str, state: str, nodes: str, folder: Path, found: Findings) -> None:
    where = f"Slurm job {number} on {nodes or 'an unknown node'}"
    log = folder / LOG
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    if lines:
        found.refuse(
            f"the check's own job ended without a report ({state}); its last words: "
            + "\n".join(lines[-_LINES:]),
            where=where,
            remedy=f"does a node see {sys.executable} and {_PACKAGES}? Both must lie on a file "
            "system that it shares with this machine",
        )
    else:
        found.refuse(
            f"the check's own job ended ({state}) and left nothing below results: the node does "
            f"not see {folder.parent.parent}, or can't write there",
            where=where,
            remedy="set `results` to a folder on a file system that compute nodes share with this "
            "machine and may write to; `scontrol show job` says more",
        )


@contextmanager
def ended_tidily() -> Iterator[None]:
    """SIGTERM, and the SIGHUP of a closed terminal, end what is within as Ctrl-C does."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _cancelled(name: str, submission: Submission) -> Iterator[None]:
    """Take the job back however this ends: done, refused or interrupted."""
    where = [f"--clusters={submission.clusters}"] if submission.clusters else []
    try:
        yield
    finally:
        run(["scancel", *where, f"--name={name}"])

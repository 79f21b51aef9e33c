"""Who is hit, and how: each hit says what it did, what it may have lost, and what mends it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.chaos.ledger import Loss
from tests.chaos.plan import LOSES_ANSWERS, Step
from tests.chaos.project import ChaosProject
from tests.chaos.seen import ASKING, Seen, job_of, parent_of
from tests.servers.slurm import CommandFailed

_SCANCEL = (
    [],
    ["--signal=KILL"],
    ["--signal=KILL", "--full"],
    ["--signal=TERM"],
    ["--signal=TERM", "--full"],
)
"""The runbook's ways to end a job."""
_GRACE_S = 3.0
"""What was sent just before may still be read out of a socket's buffer."""


@dataclass
class Hit:
    """victim, how: for the record. mends: what to do when, by time.monotonic(). process: what was
    started and is to end by itself. engines: process ids of those that it hit, perhaps among
    others; job: whose engines it hit, Slurm's number."""

    victim: str
    how: str
    at: float = field(default_factory=time.time)
    lost: Loss | None = None
    mends: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    engines: list[int] = field(default_factory=list)
    job: str = ""


def hit(
    victim: str, step: Step, project: ChaosProject, driver: subprocess.Popen[bytes]
) -> Hit | None:
    """Do it; None where there is nobody of that kind just now."""
    seen = Seen(project)
    made = _WAYS[victim](_Aim(step, project, driver, seen))
    if made and victim in LOSES_ANSWERS:
        away = max((at - time.monotonic() for at, _ in made.mends), default=0.0)
        pool = project.plan.kind == "pool"
        jobs = max(1, len(seen.scripts(*ASKING))) if pool else 1
        everyone = victim == "disk" or (pool and victim in ("job", "python"))
        engines = None if everyone else tuple(sorted(made.engines))
        slow = 12.0 if victim == "job" else _GRACE_S
        ended = time.time() + max(away, 0) + slow
        made.lost = Loss(victim, made.at, ended, engines, jobs, made.job)
    return made


@dataclass
class _Aim:
    """What a way to hit needs to know."""

    step: Step
    project: ChaosProject
    driver: subprocess.Popen[bytes]
    seen: Seen

    def one(self, several: Sequence[psutil.Process]) -> psutil.Process | None:
        """One of them, as the lot says."""
        ordered = sorted(several, key=lambda each: each.pid)
        return ordered[int(self.step.lot * len(ordered))] if ordered else None

    def later(self, mend: Callable[[], object]) -> list[tuple[float, Callable[[], object]]]:
        """When the fault has lasted as long as the step says."""
        return [(time.monotonic() + self.step.lasts_s, mend)]


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def _driver(aim: _Aim) -> Hit | None:
    if aim.driver.poll() is not None:
        return None
    whole = aim.step.lot < 0.5
    if whole:
        below = psutil.Process(aim.driver.pid).children(recursive=True)
        aim.driver.kill()
        for each in below:
            _kill(each)
    else:
        aim.driver.kill()
    return Hit("driver", "with all that it started" if whole else "alone")


def _job_hit(aim: _Aim) -> Hit | None:
    jobs = aim.seen.jobs()
    if not jobs:
        return None
    job = sorted(jobs)[int(aim.step.lot * len(jobs))]
    way = int(aim.step.lot * 997) % (len(_SCANCEL) + 1)
    if way < len(_SCANCEL):
        made = Hit("job", " ".join(["scancel", *_SCANCEL[way]]), job=job)
        with suppress(CommandFailed):
            aim.project.site.cluster.run("scancel", *_SCANCEL[way], job)
            return made
    made = Hit("job", "SIGKILL of all its processes", job=job)
    for each in jobs[job]:
        _kill(each)
    return made


def _killed(victim: str, several: Sequence[psutil.Process], aim: _Aim) -> Hit | None:
    one = aim.one(several)
    if one is None:
        return None
    # A runner's engine is its parent; a script's or a server's are its children, and of its job.
    job = "" if victim in ("engine", "runner") else job_of(one)
    made = Hit(victim, "SIGKILL", engines=_engines_of(aim, [one]) or [parent_of(one)], job=job)
    _kill(one)
    return made


def _python(aim: _Aim) -> Hit | None:
    return _killed("python", aim.seen.scripts(*ASKING), aim)


def _engine(aim: _Aim) -> Hit | None:
    return _killed("engine", aim.seen.engines(), aim)


def _runner(aim: _Aim) -> Hit | None:
    return _killed("runner", aim.seen.runners(), aim)


def _server(aim: _Aim) -> Hit | None:
    return _killed("server", aim.seen.servers(), aim)


def _slurmd(aim: _Aim) -> Hit | None:
    cluster = aim.project.site.cluster
    node = cluster.nodes[int(aim.step.lot * len(cluster.nodes))]
    made = Hit("slurmd", "SIGKILL of it and all processes of its node")
    made.engines = cluster.kill_node(node)
    made.mends = aim.later(lambda: cluster.start_slurmd(node))
    return made


def _central(name: str) -> Callable[[_Aim], Hit | None]:
    def way(aim: _Aim) -> Hit | None:
        cluster = aim.project.site.cluster
        if not cluster.runs(name):
            return None
        if aim.step.lot < 0.5:
            cluster.kill(name)
            return Hit(name, "SIGKILL", mends=aim.later(lambda: cluster.start(name)))
        cluster.pause(name)

        def go_on() -> None:
            with suppress(ProcessLookupError):  # killed meanwhile
                cluster.unpause(name)

        return Hit(name, "SIGSTOP", mends=aim.later(go_on))

    return way


def _database(aim: _Aim) -> Hit | None:
    database = aim.project.database
    if not database.running:
        return None
    made = Hit("database", "SIGKILL")
    database.kill()
    made.mends = aim.later(database.restart)
    return made


def _disk(aim: _Aim) -> Hit | None:
    disk = aim.project.disks[int(aim.step.lot * 2)]
    if not disk.mounted:
        return None
    disk.fill()
    return Hit("disk", f"{disk.folder.name} full", mends=aim.later(disk.free))


def _stopped(aim: _Aim) -> Hit | None:
    several = [*aim.seen.scripts(".py"), *aim.seen.engines(), *aim.seen.servers()]
    if aim.driver.poll() is None:
        several.append(psutil.Process(aim.driver.pid))
    one = aim.one(several)
    if one is None:
        return None

    def go_on() -> None:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGCONT)

    with suppress(psutil.NoSuchProcess):
        command = aim.seen.commands.get(one.pid, "driver")
        one.send_signal(signal.SIGSTOP)
        return Hit("stopped", _short(command), mends=aim.later(go_on))
    return None


def _two_drivers(aim: _Aim) -> Hit | None:
    if aim.driver.poll() is not None:
        return None
    second = aim.project.start_driver(name=f"second-{time.time():.0f}")
    return Hit("two drivers", "the same command in the same folder", process=second)


def _engines_of(aim: _Aim, several: Sequence[psutil.Process]) -> list[int]:
    """Engines that are among these, or that these have started."""
    pids = {each.pid for each in several}
    return [each.pid for each in aim.seen.engines() if {each.pid, parent_of(each)} & pids]


def _short(command: str) -> str:
    script = command.rpartition("/")[2]
    return script.partition(".")[2] or script.partition(" ")[0]


_WAYS: dict[str, Callable[[_Aim], Hit | None]] = {
    "driver": _driver,
    "job": _job_hit,
    "python": _python,
    "engine": _engine,
    "runner": _runner,
    "slurmd": _slurmd,
    "slurmctld": _central("slurmctld"),
    "slurmdbd": _central("slurmdbd"),
    "database": _database,
    "server": _server,
    "disk": _disk,
    "stopped": _stopped,
    "two drivers": _two_drivers,
}

"""Who is there in a round: its processes, by what they are."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.chaos.project import ChaosProject

ASKING = (".answer.py", ".pilot_job.py")
"""How the commands of those that ask an engine end."""


@dataclass
class Seen:
    """A round's processes at one moment."""

    project: ChaosProject
    all: list[psutil.Process] = field(init=False)
    commands: dict[int, str] = field(init=False)

    def __post_init__(self) -> None:
        self.all, self.commands = [], {}
        for process in self.project.processes():
            with suppress(psutil.Error):
                self.commands[process.pid] = " ".join(process.cmdline())
                self.all.append(process)

    def stages(self) -> set[str]:
        """Rules whose scripts run."""
        ends = [
            command.rpartition(".py")[0].rpartition(".")[2] for command in self.commands.values()
        ]
        return set(ends)

    def scripts(self, *ends: str) -> list[psutil.Process]:
        """Processes whose command ends so: the Python of rules' scripts."""
        return [each for each in self.all if self.commands[each.pid].endswith(ends)]

    def servers(self) -> list[psutil.Process]:
        """The Python of a pool's servers."""
        return [each for each in self.all if "-m notemill serve" in self.commands[each.pid]]

    def engines(self) -> list[psutil.Process]:
        """Leaders of the engines' sessions: children of those that ask, or serve."""
        owners = {each.pid for each in (*self.scripts(*ASKING), *self.servers())}
        found = []
        for each in self.all:
            with suppress(psutil.Error, OSError):
                if each.ppid() in owners and os.getsid(each.pid) == each.pid:
                    found.append(each)
        return found

    def runners(self) -> list[psutil.Process]:
        """What the engines have started."""
        engines = {each.pid for each in self.engines()}
        return [each for each in self.all if parent_of(each) in engines]

    def jobs(self) -> dict[str, list[psutil.Process]]:
        """Running Slurm jobs that are no pool's servers, with their processes."""
        found: dict[str, list[psutil.Process]] = {}
        serving = {job_of(each) for each in self.servers()}
        for each in self.all:
            job = job_of(each)
            if job and job not in serving:
                found.setdefault(job, []).append(each)
        return found


def parent_of(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


def job_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("SLURM_JOB_ID", "")
    except (psutil.Error, OSError):
        return ""

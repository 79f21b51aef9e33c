"""What Slurm's partitions allow and hold, as scontrol and sinfo tell it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

_ANSWER_S = 60
_TIME = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")
_USABLE = ("idle", "mixed", "allocated", "completing", "planned", "reserved")


@dataclass(frozen=True)
class Nodes:
    """Nodes of one kind in a partition. gres: such as 'gpu:a100:4'."""

    count: int
    gres: str
    cpus: int
    memory_mb: int
    state: str

    @property
    def usable(self) -> bool:
        """Whether jobs may run there now or when it is free."""
        return self.state.startswith(_USABLE) and not self.state.endswith("*")


@dataclass(frozen=True)
class Partition:
    """A partition. max_minutes: None without a limit."""

    state: str
    max_minutes: int | None
    nodes: tuple[Nodes, ...]

    @property
    def largest(self) -> str:
        """What its nodes have, for a message."""
        kinds = {
            f"{node.cpus} CPUs, {node.memory_mb} MB, {node.gres.replace('(null)', 'no GPU')}"
            for node in self.nodes
        }
        return "; ".join(sorted(kinds))


def read_partition(names: str, clusters: str = "") -> Partition | None:
    """The partition, or several with commas between as one; None if Slurm tells of none."""
    there = [p for name in names.split(",") if (p := _read(name, clusters))]
    if not there:
        return None
    limits = [partition.max_minutes for partition in there]
    return Partition(
        "UP" if any(partition.state == "UP" for partition in there) else there[0].state,
        None if None in limits else max(limit for limit in limits if limit is not None),
        tuple(nodes for partition in there for nodes in partition.nodes),
    )


def _read(name: str, clusters: str) -> Partition | None:
    where = ["-M", clusters] if clusters else []
    told = run(["scontrol", *where, "show", "partition", name, "--oneliner"])
    listed = run(["sinfo", *where, "--noheader", "-p", name, "-o", "%D|%G|%c|%m|%T"])
    fields = dict(re.findall(r"(\w+)=(\S+)", told.stdout))
    if told.returncode or listed.returncode or "MaxTime" not in fields:
        return None
    return Partition(
        fields.get("State", "UP"),
        minutes(fields["MaxTime"]),
        tuple(_nodes(line) for line in listed.stdout.splitlines() if line.count("|") == 4),
    )


def minutes(time: str) -> int | None:
    """Slurm's D-HH:MM:SS in minutes; None for UNLIMITED."""
    if not (match := _TIME.fullmatch(time)):
        return None
    days, hours, mins, _ = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + mins


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """One of Slurm's commands; a status of its own where it can't be run or does not answer."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_ANSWER_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _nodes(line: str) -> Nodes:
    count, gres, cpus, memory, state = line.split("|")
    number = re.compile(r"\d+")

    def first(text: str) -> int:
        return int(match[0]) if (match := number.search(text)) else 0

    return Nodes(first(count), gres, first(cpus), first(memory), state)

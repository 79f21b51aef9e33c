"""Whether Slurm takes the jobs of each stage, with the resources that the profile gives them."""

from __future__ import annotations

import os
import re
import subprocess

from notemill.check.finding import Findings
from notemill.check.partitions import Partition, read_partition
from notemill.config.database import PASSWORD_VARIABLES
from notemill.slurm.asking import is_away
from notemill.slurm.submissions import Submission

_PLACEHOLDERS = ("my_account", "SITE")
_ANSWER_S = 120
_WOULD_START = re.compile(r"to start at (\S+) using .* on nodes? (\S+)")
_NOISE = re.compile(r"^(sbatch: error: |sbatch: |allocation failure: )+")
_REMEDIES = {
    "slurm_extra": "leave that option out of `slurm_extra` and set the rule's resource for it",
    "account|association": "`sacctmgr show associations user=$USER` lists your accounts; correct "
    "`slurm_account`",
    "partition": "`sinfo` lists the partitions; correct `slurm_partition`",
    "node configuration": "ask for no more than a node has ({largest}): mem_mb, threads, gpu",
    "time limit": "lower `runtime`; journals keep what a job had when it ends",
    "qos": "`sacctmgr show associations user=$USER format=account,qos` lists yours; correct `qos`",
    "feature|constraint": "`sinfo -o '%N %f'` lists what nodes have; correct `constraint`",
}


def stages(submissions: list[Submission], profile: str, found: Findings) -> set[str]:
    """Ask Slurm about each kind of job, without submitting any; returns the rules it refuses."""
    partitions: dict[tuple[str, str], Partition | None] = {}
    refused: set[str] = set()
    told: set[str] = set()
    for each in submissions:
        where = f"rule {each.rule} in {profile}"
        if not each.problem and each.account in _PLACEHOLDERS and each.account not in told:
            told.add(each.account)
            found.warn(
                f"the profile still has its placeholder {each.account}",
                where=f"{where}: slurm_account",
                remedy="name your own: `sacctmgr show associations user=$USER` lists them",
            )
        if each.problem:
            refused.add(each.rule)
            if each.problem not in told:
                told.add(each.problem)
                found.refuse(
                    f"{each.rule}: {each.problem}", where=where, remedy=_remedy(each.problem, None)
                )
            if not each.command:
                continue
        key = (each.partition, each.clusters)
        if key not in partitions:
            partitions[key] = read_partition(*key) if each.partition else None
        if each.attempt == 1:
            _limits(each, partitions[key], where, found)
        elif each.rule in refused:
            continue
        if not _taken(each, partitions[key], where, found) and each.attempt == 1:
            refused.add(each.rule)
    return refused


def _limits(each: Submission, partition: Partition | None, where: str, found: Findings) -> None:
    """What sbatch --test-only lets pass, and then waits for ever."""
    if partition is None:
        return
    if partition.max_minutes is not None and each.runtime and each.runtime > partition.max_minutes:
        found.refuse(
            f"{each.rule}: runtime {each.runtime} minutes, partition {each.partition} allows "
            f"{partition.max_minutes}: such jobs wait for ever or are refused",
            where=f"{where}: runtime",
            remedy=f"set runtime to {partition.max_minutes} at most (a job goes on from its "
            "journal), with more shards if one does not make it; or take another partition",
        )
    if partition.state != "UP":
        found.warn(
            f"{each.rule}: partition {each.partition} is {partition.state}",
            where=f"{where}: slurm_partition",
            remedy="wait until it is UP (`sinfo`), or take another",
        )
    elif not any(nodes.usable for nodes in partition.nodes):
        states = ", ".join(sorted({nodes.state for nodes in partition.nodes})) or "no node"
        found.warn(
            f"{each.rule}: no node of partition {each.partition} is usable now ({states})",
            where=f"{where}: slurm_partition",
            remedy="wait or take another partition; `sinfo -R` says why",
        )
    if each.gpu and not any("gpu" in nodes.gres for nodes in partition.nodes):
        found.refuse(
            f"{each.rule}: it asks for a GPU and partition {each.partition} has none",
            where=f"{where}: slurm_partition",
            remedy="take a partition whose nodes have GPUs: `sinfo -o '%P %G'`",
        )


def _taken(each: Submission, partition: Partition | None, where: str, found: Findings) -> bool:
    """Whether sbatch would take the job; its own words are told."""
    try:
        done = sbatch(f"{each.command} --test-only --wrap=true", timeout_s=_ANSWER_S)
    except subprocess.TimeoutExpired:
        found.refuse(
            f"{each.rule}: sbatch gave no answer within {_ANSWER_S} s",
            where=where,
            remedy="is Slurm's controller up (`scontrol ping`)? Check again then",
        )
        return False
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode == 0:
        if each.attempt == 1 and not each.problem:
            _told(each, lines, found)
        return True
    words = "; ".join(dict.fromkeys(_NOISE.sub("", line) for line in lines)) or "no word"
    remedy = _remedy(words, partition)
    if each.attempt == 1:
        found.refuse(f"{each.rule}: sbatch refuses it: {words}", where=where, remedy=remedy)
    else:
        found.warn(
            f"{each.rule}: sbatch would refuse try {each.attempt}, which asks for "
            f"{each.mem_mb} MB: {words}",
            where=f"{where}: mem_mb",
            remedy=f"let it grow no further than a node has ({_largest(partition)}): "
            "min(16000 * attempt, 64000), say",
        )
    return False


def _told(each: Submission, lines: list[str], found: Findings) -> None:
    start = next((match for line in lines if (match := _WOULD_START.search(line))), None)
    when = f", would start {start[1].replace('T', ' at ')} on {start[2]}" if start else ""
    limit = f"{each.runtime} minutes" if each.runtime else "no runtime"
    memory = f"{each.mem_mb} MB" if each.mem_mb else "no mem_mb"
    place = f"partition {each.partition}" if each.partition else "the default partition"
    found.ok(f"{each.rule}: sbatch takes it in {place} ({limit}, {memory}){when}")


def _remedy(words: str, partition: Partition | None) -> str:
    if is_away(words):
        return "Slurm's controller or database does not answer just now: check again later"
    if "configuration source" in words:
        return (
            "Slurm's commands are here and find no slurm.conf: check where you start snakemake, on "
            "a login node, or set SLURM_CONF"
        )
    for sign, remedy in _REMEDIES.items():
        if re.search(sign, words, re.IGNORECASE):
            return f"{remedy.format(largest=_largest(partition))} in the profile"
    return "correct this rule's resources in the profile"


def _largest(partition: Partition | None) -> str:
    return partition.largest if partition else "`sinfo -N -l`"


def sbatch(command: str, *, timeout_s: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a submission's command, in the environment of jobs that use no database."""
    return subprocess.run(
        command,
        shell=True,
        env=_job_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout_s,
    )


def _job_environment() -> dict[str, str]:
    """This environment for jobs that use no database.

    Within a job, as the plugin has it: what Slurm has set for that one is not the other's.
    """
    within = "SLURM_JOB_ID" in os.environ
    return {
        name: value
        for name, value in os.environ.items()
        if name not in PASSWORD_VARIABLES
        and not (within and name.startswith("SLURM_") and name != "SLURM_CONF")
    }

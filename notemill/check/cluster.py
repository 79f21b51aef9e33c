"""Everything about Slurm: the jobs of each stage, partitions, and one node from within."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from notemill.check.finding import Findings
from notemill.check.job import ended_tidily, probe_folder, probe_node
from notemill.check.stages import stages
from notemill.config import Config
from notemill.errors import NotemillError
from notemill.leftovers import temporary_folder
from notemill.plan.runs import checked_plan
from notemill.slurm.submissions import Probe, Submission, submissions

GPU_RULE = "answer"
_REPOSITORY = Path(__file__).parents[2]
_SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")


@dataclass(frozen=True)
class Site:
    """How snakemake would be started. folder: where; directory and configfile: as it is told."""

    folder: Path
    directory: Path
    configfile: Path
    profile: str


def cluster(
    config: Config, site: Site, *, job: bool, wait_s: float, say: Callable[[str], None]
) -> Findings:
    """What Slurm says to the profile; with `job`, what a node sees. See docs/check.md."""
    found = Findings("Slurm")
    try:
        checked_plan(config)
    except NotemillError:
        found.warn(
            "Slurm was asked nothing, because snakemake would refuse the configuration",
            where=str(site.configfile),
            remedy="correct the refusals above and check again",
        )
        return found
    if not shutil.which("sbatch"):
        found.refuse(
            "there is no Slurm on this machine: sbatch was not found",
            where=platform.node(),
            remedy="check where you start snakemake, on a login node; or leave --cluster out",
        )
        return found
    try:
        with ended_tidily(), probe_folder(config) as (_, probe):
            planned = _planned(config, site, probe)
            if not planned:
                found.refuse(
                    "this profile sends no job to Slurm",
                    where=site.profile,
                    remedy="name one with `executor: slurm`: --profile profiles/slurm",
                )
                return found
            refused = stages(planned, site.profile, found)
            gpu_job = next((each for each in planned if each.rule == GPU_RULE), planned[0])
            if job and gpu_job.rule in refused:
                found.warn(
                    "no job was sent to look at a node, because Slurm would refuse it",
                    where=f"rule {gpu_job.rule} in {site.profile}",
                    remedy="correct the refusal above and check again",
                )
            elif job:
                node = Findings("node")
                probe_node(config, gpu_job, probe, wait_s=wait_s, say=say, found=node)
                found += node
    except NotemillError as error:
        found.refused(error)
    return found


def _planned(config: Config, site: Site, probe: Probe) -> list[Submission]:
    """The submissions of the whole plan, of one shard a cohort: all of a stage are alike."""
    with temporary_folder("check") as folder:
        one_shard = folder / "shards.yaml"
        shards = {"cohorts": {name: {"shards": 1} for name in config.cohorts}}
        one_shard.write_text(yaml.safe_dump(shards))
        arguments = ["--profile", _here_or_ours(site, site.profile)]
        if not any((site.folder / name).exists() for name in _SNAKEFILES):
            arguments += ["--snakefile", str(_REPOSITORY / "workflow" / "Snakefile")]
        if site.directory != site.folder:
            arguments += ["--directory", str(site.directory)]
        arguments += ["--configfile", str(site.configfile), str(one_shard)]
        return submissions(arguments, probe, site.folder)


def _here_or_ours(site: Site, profile: str) -> str:
    """The profile as snakemake finds it, or this repository's where there is none."""
    ours = _REPOSITORY / profile
    return str(ours) if not (site.folder / profile).exists() and ours.exists() else profile

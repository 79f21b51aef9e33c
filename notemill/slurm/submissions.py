"""How a plan's jobs will be handed to Slurm: their sbatch, composed by the plugin itself.

Snakemake plans in a process of its own and makes the executor that would submit, in whose place
stands one that writes down the submissions and ends the process. Nothing is run or submitted.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import TypeAdapter

from notemill.errors import NotemillError
from notemill.files import Record, write_text
from notemill.leftovers import temporary_folder

_PACKAGES = Path(__file__).parents[2]
_LINES = 8
"""Of Snakemake's words."""


class Submission(Record):
    """One kind of job that a plan sends to Slurm.

    attempt: the first or, where its resources grow, the last. command: for a shell, without what
    the job would run. probe: the same with a name, a log and a limit of its own. problem: why the
    plugin will not submit it. runtime: minutes.
    """

    rule: str
    attempt: int
    command: str
    probe: str
    account: str
    partition: str
    clusters: str
    runtime: int | None
    mem_mb: int | None
    gpu: bool
    problem: str = ""


_Submissions = TypeAdapter(list[Submission])


class Probe(Record):
    """What the submission of a job that only looks has of its own."""

    name: str
    log: str
    minutes: int


def submissions(arguments: Sequence[str], probe: Probe, folder: Path) -> list[Submission]:
    """The submissions of the plan that snakemake makes in the folder with these arguments.

    None where the profile sends nothing to Slurm.

    Raises NotemillError with Snakemake's words when there is no plan.
    """
    with temporary_folder("plan") as place:
        out = place / "submissions.json"
        paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "notemill.slurm.submissions"),
                *(str(out), probe.model_dump_json(), *arguments),
                *("--dry-run", "--forceall", "--nolock", "--rerun-incomplete"),
            ],
            cwd=folder,
            # What Snakemake leaves when it is interrupted goes with the folder.
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(place)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if out.exists():
            return _Submissions.validate_json(out.read_bytes())
    words, _, _ = done.stdout.partition("\nTraceback:\n")  # the profile's fault, by its own words
    lines = [line for line in words.splitlines() if line.strip()]
    first = next((n for n, line in enumerate(lines) if "error" in line.lower()), -_LINES)
    raise NotemillError(
        "snakemake can't plan with it:\n" + "\n".join(lines[first:][:_LINES] or ["no word"]),
        where=f"profile {arguments[arguments.index('--profile') + 1]}",
        remedy="correct the profile; `snakemake -n` with it says the same",
    )


def _main() -> None:
    # All of Snakemake is imported in this process alone.
    from snakemake.cli import args_to_api, parse_args  # noqa: PLC0415
    from snakemake_interface_common.exceptions import WorkflowError  # noqa: PLC0415
    from snakemake_interface_executor_plugins.registry import (  # noqa: PLC0415
        ExecutorPluginRegistry,
    )

    from notemill.slurm.executor import refuse_unknown_plugin  # noqa: PLC0415

    try:
        refuse_unknown_plugin(version("snakemake-executor-plugin-slurm"))
    except WorkflowError as error:
        sys.exit(str(error))
    out, probe, *arguments = sys.argv[1:]
    parser, given = parse_args(arguments)
    if given.executor != "slurm":
        write_text(Path(out), "[]")
        return
    registry = ExecutorPluginRegistry()
    slurm, dry = registry.get_plugin("slurm"), registry.get_plugin("dryrun")
    settings = slurm.get_settings(given)
    dry.common_settings = dataclasses.replace(slurm.common_settings, dryrun_exec=True)

    # A dry run has one core where nothing is said, and would cut every job's threads down to it.
    given.cores = given.cores or sys.maxsize
    probing = Probe.model_validate_json(probe)

    class Recorder:
        """Made when the plan stands and the first job is about to be submitted."""

        def __init__(self, workflow: Any, logger: Any) -> None:
            found = list(_distinct(workflow, logger, settings, probing))
            write_text(Path(out), _Submissions.dump_json(found).decode())
            sys.exit()

    dry.executor = Recorder
    args_to_api(given, parser)


def _distinct(workflow: Any, logger: Any, settings: Any, probe: Probe) -> Iterator[Submission]:
    told: set[tuple[str, str]] = set()
    for job in workflow.dag.needrun_jobs():
        if job.is_local:
            continue
        for attempt in (1, 1 + job.restart_times):
            job.attempt = attempt
            submission = _submission(job, attempt, logger, settings, probe, workflow.workdir_init)
            if (job.rule.name, submission.command) not in told:
                told.add((job.rule.name, submission.command))
                yield submission


def _submission(
    job: Any, attempt: int, logger: Any, settings: Any, probe: Probe, folder: str
) -> Submission:
    import snakemake_executor_plugin_slurm as plugin  # noqa: PLC0415
    from snakemake.iocontainers import ResourceList  # noqa: PLC0415
    from snakemake_executor_plugin_slurm.submit_string import (  # noqa: PLC0415
        get_submit_command,
    )
    from snakemake_executor_plugin_slurm.utils import set_gres_string  # noqa: PLC0415
    from snakemake_executor_plugin_slurm.validation import validate_slurm_extra  # noqa: PLC0415
    from snakemake_interface_common.exceptions import WorkflowError  # noqa: PLC0415

    resources = job.resources
    path = getattr(settings, "partition_config", None)
    asking = SimpleNamespace(
        logger=logger,
        _fallback_account_arg=None,
        _fallback_partition=None,
        _partitions=plugin.read_partition_file(path) if path else None,
    )
    account, problems = "", []
    try:
        account = next(plugin.Executor.get_account_arg(asking, job))
    except WorkflowError as error:
        problems.append(str(error))
        account = f" -A {shlex.quote(str(resources.get('slurm_account')))}"
    try:
        validate_slurm_extra(job)
        partition = plugin.Executor.get_partition_arg(asking, job)
        gres = set_gres_string(job)

        def command(name: str, log: str, runtime: Any) -> Any:
            changed = ResourceList(fromdict=dict(resources.items()) | {"runtime": runtime})
            parameters = {
                "run_uuid": name,
                "slurm_logfile": log,
                "comment_str": f"rule_{job.rule.name}",
                "account": account,
                "partition": partition,
                "workdir": folder,
            }
            like = SimpleNamespace(resources=changed, threads=job.threads)
            return get_submit_command(like, parameters, settings=settings) + gres

        whole = command("notemill-check", "/dev/null", resources.get("runtime"))
        short = command(probe.name, probe.log, probe.minutes)
    except WorkflowError as error:
        problems.append(str(error))
        whole = short = partition = ""
    cluster = next(
        (
            resources.get(name)
            for name in ("cluster", "clusters", "slurm_cluster")
            if resources.get(name)
        ),
        "",
    )
    return Submission(
        rule=job.rule.name,
        attempt=attempt,
        command=whole,
        probe=short,
        account=str(resources.get("slurm_account") or ""),
        partition=" ".join(shlex.split(partition)[1:]),
        clusters=str(cluster),
        runtime=_number(resources.get("runtime")),
        mem_mb=_number(resources.get("mem_mb")),
        gpu=bool(
            resources.get("gpu")
            or resources.get("gpu_model")
            or "gpu" in str(resources.get("gres", ""))
        ),
        problem="; ".join(problems),
    )


def _number(value: Any) -> int | None:
    return value if type(value) is int else None


if __name__ == "__main__":
    _main()

"""What is left of a run when its jobs, nodes and snakemake itself are killed on a real Slurm."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.servers.slurm import CommandFailed, SlurmCluster
from tests.servers.test_end_to_end import TEXTS
from tests.servers.test_slurm_troubles import Run, run, scripts
from tests.workflow.project import REPOSITORY, SITE

__all__ = ["run"]  # a fixture


def texts_asked(run: Run) -> list[str]:
    asked = [json.loads(line) for line in (run.folder / "asked.jsonl").open()]
    return [each["messages"] for each in asked if each["options"]["num_predict"] == 128]


def test_a_snakemake_that_is_started_again_watches_the_jobs_of_a_killed_one(run: Run) -> None:
    """As on a login node that was rebooted, with the runbook's commands: no text is asked twice."""
    run.start(2)
    run.until(lambda: len(run.answering()) == 2)
    jobs = sorted(run.answering().values())
    held = scripts(run)
    for script in held:
        script.suspend()
    run.driver.kill()
    run.driver.wait()
    run.start(2)
    assert run.driver.wait(timeout=600) != 0
    assert "Directory cannot be locked" in run.output
    unlock = run.project.command("--unlock", profile="slurm")
    subprocess.run(unlock, cwd=run.project.folder, env=run.project.environment, check=True)
    run.start(2)
    run.until(lambda: run.output.count("which an earlier snakemake left") == len(jobs))
    assert sorted(run.cluster.squeue()) == jobs
    for script in held:
        script.resume()
    run.ends_well()
    assert " ended: " not in run.output
    assert len(texts_asked(run)) == TEXTS


def requeueing_profile(folder: Path) -> str:
    """profiles/slurm, as one who leaves preempted jobs to Slurm would change it."""
    text = (REPOSITORY / "profiles" / "slurm" / "profile.yaml").read_text()
    folder.mkdir()
    (folder / "profile.yaml").write_text(
        text.replace("slurm-no-requeue: true", "slurm-requeue: true")
    )
    return str(folder)


def on_nodes(cluster: SlurmCluster) -> dict[str, str]:
    """The running jobs, to their nodes."""
    table = cluster.run("squeue", "-h", "-t", "RUNNING", "-o", "%i %N")
    return dict(line.split() for line in table.splitlines())


def let_begin(cluster: SlurmCluster) -> None:
    """Slurm lets a requeued job wait for two minutes."""
    for job in cluster.run("squeue", "-h", "-t", "PENDING", "-o", "%i").split():
        with suppress(CommandFailed):
            cluster.run("scontrol", "update", f"JobId={job}", "StartTime=now")


def test_where_slurm_itself_requeues_its_jobs_go_on_from_their_journals(run: Run) -> None:
    """Preempted, requeued, suspended, and two whose node died."""
    slurm = run.cluster
    answer = ["answer:slurm_partition=scavenge", "answer:mem_mb=2000", "answer:runtime=30"]
    run.answer_slowly(6)
    run.start(
        4,
        profile=requeueing_profile(run.folder / "profile"),
        site=SITE | {"set-resources": answer},
    )
    run.until(lambda: len(run.answering()) == 4)
    nodes = on_nodes(slurm)
    others = [job for job in nodes if nodes[job] == "n2"]
    run.answer_slowly(0)
    try:
        slurm.kill_node("n1")
        slurm.set_node_down("n1")
        slurm.run("scontrol", "requeue", others[0])
        slurm.run("scontrol", "suspend", others[1])
        slurm.run("scontrol", "resume", others[1])
        # The whole node, before others.
        urgent = ("--partition=urgent", "--nodelist=n2", "--exclusive", "--time=1")
        slurm.run("sbatch", *urgent, "--output=/dev/null", "--wrap=true")
        run.until(lambda: others[1] not in on_nodes(slurm))
    finally:
        slurm.start_slurmd("n1")
        slurm.resume_node("n1")
    run.until(lambda: let_begin(slurm) or len(run.written()) == 4)
    run.ends_well()
    # Of a node that died at once Slurm may say FAILED before it requeues: then both try again.
    assert not [job for job in others if f"Slurm job {job} ended" in run.output]
    # Of each job what was in flight.
    assert len(texts_asked(run)) - TEXTS <= 4 * (
        run.project.config["engines"]["engine"]["slots"] + 1
    )

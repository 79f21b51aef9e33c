"""The Slurm plugin's executor, made to outlast Slurm's absence and to know every way to end.

snakemake-executor-plugin-slurm 2.8.0 forgets its jobs when `sacct` fails five times within a
second, waits for ever for a job that is "CANCELLED by UID" or PREEMPTED or lost, fails a job whose
submission meets a controller that is away, and hands each job the whole environment.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from typing import Any

import snakemake_executor_plugin_slurm as plugin
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from notemill.config.database import PASSWORD_VARIABLES
from notemill.errors import NotemillError
from notemill.slurm.asking import Answers, ask, is_away, squeue
from notemill.slurm.earlier import EarlierJobs, can_be_taken_over
from notemill.slurm.states import COMPLETED, Absences, Seen, end_of

KNOWN_PLUGIN = "2.8."
PATIENCE_VARIABLE = "NOTEMILL_SLURM_PATIENCE_S"
"""Environment variable: seconds that a submission is tried again, and a lost job waited for."""
PATIENCE_S = 1800.0
_LOST_S = 600.0
"""A job's own: Slurm answers, and has not heard of it. Nodes kill what Slurm does not know."""
_PAUSE_S = 10.0
_SLOWER = 1 / 4
_SLOWEST_S = 180


class Executor(plugin.Executor):
    """Submits as the plugin does; watches by squeue and sacct, whichever answers."""

    def __init__(self, workflow: Any, logger: Any) -> None:
        refuse_unknown_plugin(version("snakemake-executor-plugin-slurm"))
        self._patience = float(os.environ.get(PATIENCE_VARIABLE) or PATIENCE_S)
        self._absences = Absences(min(self._patience, _LOST_S))
        self._reasons: tuple[str, ...] = ()
        self._ending = threading.Event()
        self._submitting = threading.local()
        self._account_arguments: dict[str, list[str]] = {}
        # The one thing that the plugin offers no method for.
        plugin.get_submit_command = submit_command
        super().__init__(workflow, logger)
        self._watched = {self.run_uuid}
        prefix = workflow.executor_settings.jobname_prefix or ""
        self._earlier = EarlierJobs(
            str(workflow.workdir_init), self.run_uuid, prefix, logger.warning
        )

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncIterator[SubmittedJobInfo]:
        """Report the jobs that have ended; yield the others, whatever Slurm answers."""
        settings = self.workflow.executor_settings
        first_pause = settings.init_seconds_before_status_checks
        self.next_seconds_between_status_checks, slower = (
            first_pause,
            min(self.next_seconds_between_status_checks + first_pause * _SLOWER, _SLOWEST_S),
        )
        if not active_jobs:
            return
        async with self.status_rate_limiter:
            answers = await ask(
                ",".join(sorted(self._watched)),
                self._submitted_job_clusters,
                with_sacct=self.get_status_command() != "squeue",
            )
        self._tell(answers)
        any_ended = False
        for job in active_jobs:
            end = self._end_of(job.external_jobid, answers)
            if end is None:
                yield job
                continue
            any_ended = True
            self._report(job, end)
        if not any_ended and not answers.reasons:
            self.next_seconds_between_status_checks = slower

    def run_job(self, job: Any) -> None:
        """Submit a job; while the controller is away, again and again.

        One that an earlier run has left on the same shard is watched instead.
        """
        began = time.monotonic()
        if self._take_over(job, began):
            return
        while True:
            self._submitting.refusal = None
            self._submitting.now = True
            try:
                super().run_job(job)
            finally:
                self._submitting.now = False
            refusal = self._submitting.refusal
            if refusal is None:
                return
            if not is_away(refusal[1]) or not self._controller_is_back(began, refusal[1]):
                super()._report_job_error_threadsafe(*refusal)
                return
            if self._adopt(job):
                return

    def _report_job_error_threadsafe(self, job_info: SubmittedJobInfo, msg: str) -> None:
        if getattr(self._submitting, "now", False):
            self._submitting.refusal = (job_info, msg)
        else:
            super()._report_job_error_threadsafe(job_info, msg)

    def get_account_arg(self, job: Any) -> Iterator[str]:
        """The plugin's, asked once for each account and not before every submission."""
        account = str(job.resources.get("slurm_account"))
        began = time.monotonic()
        while account not in self._account_arguments:
            try:
                self._account_arguments[account] = list(super().get_account_arg(job))
            except WorkflowError as error:
                if not is_away(str(error)) or not self._controller_is_back(began, str(error)):
                    raise
        yield from self._account_arguments[account]

    def shutdown(self) -> None:
        """End, and with it every wait for a controller."""
        self._ending.set()
        super().shutdown()

    def cancel(self) -> None:
        """Cancel the run's jobs, and every wait for a controller."""
        self._ending.set()
        super().cancel()

    def _end_of(self, job: str, answers: Answers) -> Seen | None:
        end = end_of(job, answers.queue, answers.accounting)
        if end is None and self._absences.lost(
            job, answers.queue, answers.accounting, time.monotonic()
        ):
            return Seen("LOST: neither running nor ended for squeue and sacct")
        return end

    def _report(self, job: SubmittedJobInfo, end: Seen) -> None:
        log = job.aux["slurm_logfile"]
        if end.word == COMPLETED:
            self.report_job_success(job)
            if not self.workflow.executor_settings.keep_successful_logs:
                log.unlink(missing_ok=True)
            return
        if end.word == "NODE_FAIL" and end.nodes:
            self._failed_nodes.add(end.nodes)
        self.report_job_error(
            job,
            msg=f"Slurm job {job.external_jobid} ended: {end.state}. ",
            aux_logs=[str(log)],
        )

    def _tell(self, answers: Answers) -> None:
        """Say when Slurm stops answering, and when it answers again."""
        if bool(answers.reasons) == bool(self._reasons):
            return
        self._reasons = answers.reasons
        if answers.reasons:
            self.logger.warning(
                f"Slurm does not answer as it should ({'; '.join(answers.reasons)}). The jobs go "
                "on by themselves; asking again until it does."
            )
        else:
            self.logger.info("Slurm answers again.")

    def _controller_is_back(self, began: float, refusal: str) -> bool:
        """Wait until squeue answers; False when patience or the run has ended before."""
        self.logger.warning(
            "Slurm can't take a job just now: trying again for "
            f"{self._patience / 60:.0f} minutes. {_first_line(refusal)}"
        )
        while not self._ending.wait(_PAUSE_S):
            if time.monotonic() - began > self._patience:
                return False
            if _output(squeue(self.run_uuid, self._submitted_job_clusters)) is not None:
                return True
        return False

    def _adopt(self, job: Any) -> bool:
        """Whether the controller has taken the job, though sbatch said that it had not.

        That is so when sbatch's patience ended before the controller's silence. The comment tells
        the job: rule and wildcards are in it, and a shard has one job at a time.
        """
        comment = _comment(job)
        listed = _output(
            squeue(
                *(self.run_uuid, [name for name in [_clusters(job)] if name]),
                *("%i|%k", "PENDING,RUNNING,CONFIGURING"),
            )
        )
        for line in (listed or "").splitlines():
            number, _, said = line.strip().partition("|")
            if said == comment:
                self.logger.info(f"Job {job.jobid} is Slurm job {number}, taken after all.")
                self._watch(job, number)
                return True
        return False

    def _take_over(self, job: Any, began: float) -> bool:
        """Whether an earlier run's job does what this one would."""
        if not can_be_taken_over(job.name):
            return False
        earlier = self._earlier.take(
            _comment(job), _clusters(job), lambda said: self._controller_is_back(began, said)
        )
        if earlier is None:
            return False
        self.logger.info(
            f"Job {job.jobid} is Slurm job {earlier.number}, which an earlier snakemake left: it "
            "goes on, and is watched."
        )
        self._watched.add(earlier.run)
        self._watch(job, earlier.number)
        return True

    def _watch(self, job: Any, number: str) -> None:
        if clusters := _clusters(job):
            self._submitted_job_clusters.add(clusters)
        wildcards = plugin.get_job_wildcards(job)
        log = self.slurm_logdir / f"rule_{job.name}" / wildcards / f"{number}.log"
        self._report_job_submission_threadsafe(
            SubmittedJobInfo(job, external_jobid=number, aux={"slurm_logfile": log})
        )


def submit_command(job: Any, *arguments: Any, **options: Any) -> str:
    """The plugin's sbatch, without the database's password where it is not used."""
    command = str(get_submit_command(job, *arguments, **options))
    # `db`: how many jobs use the database at once; a rule that uses it has it.
    if job.resources.get("db"):
        return command
    return " ".join(["env", *(f"-u {name}" for name in PASSWORD_VARIABLES), command])


def refuse_unknown_plugin(installed: str) -> None:
    """Raises WorkflowError when this is not the plugin that notemill was tried with."""
    if not installed.startswith(KNOWN_PLUGIN):
        error = NotemillError(
            f"snakemake-executor-plugin-slurm {installed} was never tried with this notemill",
            where="the environment that snakemake runs in",
            remedy="pip install --require-hashes -r requirements.lock",
        )
        raise WorkflowError(str(error))


def _comment(job: Any) -> str:
    """What the plugin tells Slurm of a job."""
    wildcards = plugin.get_job_wildcards(job)
    return f"rule_{job.name}" + (f"_wildcards_{wildcards}" if wildcards else "")


def _clusters(job: Any) -> str:
    """Where the plugin submits it, empty for where sbatch does by itself."""
    names = ("cluster", "clusters", "slurm_cluster")
    return next((str(job.resources.get(name)) for name in names if job.resources.get(name)), "")


def _output(command: list[str]) -> str | None:
    """What the command prints, None when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return None if done.returncode else done.stdout


def _first_line(message: str) -> str:
    return next((line for line in message.splitlines() if line.strip()), "")

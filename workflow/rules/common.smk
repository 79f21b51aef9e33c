import os

from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import ExecMode

from notemill.config import read_config
from notemill.errors import NotemillError
from notemill.paths import Layout, shard_names
from notemill.plan import plan_runs
from notemill.slurm import mend_executor

# Notes, answers, logs and Snakemake's own records are the user's alone.
os.umask(0o077)

# In the process that submits and watches; the jobs' own have nothing to do with it.
if workflow.exec_mode == ExecMode.DEFAULT:
    mend_executor()


def _checked_plan():
    """Configuration, layout and runs; a wrong configuration ends here, before any job."""
    try:
        checked = read_config(config, where=", ".join(map(str, workflow.configfiles)))
        return checked, Layout(checked.results), plan_runs(checked)
    except NotemillError as error:
        raise WorkflowError(str(error)) from None


CONFIG, LAYOUT, RUNS = _checked_plan()
RUN = {run.experiment_id: run for run in RUNS}

DATABASE_IS_HERE = CONFIG.database.reached_from == "login"

MANIFESTS = [LAYOUT.manifest(cohort) for cohort in CONFIG.cohorts]
MODELS = {run.experiment_id: LAYOUT.model(run.model_id) for run in RUNS}
ANSWERS = {
    (cohort, run.experiment_id): expand(
        LAYOUT.answers(cohort, run.experiment_id, "{shard}"),
        shard=shard_names(CONFIG.cohorts[cohort].shards),
    )
    for run in RUNS
    for cohort in run.cohorts
}
LOADS = [
    LAYOUT.load(cohort, run.experiment_id) for run in RUNS for cohort in run.cohorts
]


wildcard_constraints:
    cohort="|".join(CONFIG.cohorts),
    experiment="|".join(RUN),
    shard=r"\d{4}",
    model="|".join({run.model_id for run in RUNS}),


def number_of_shards(wildcards):
    """A cohort's shards, so that another number is refused at once: a cohort is frozen."""
    return CONFIG.cohorts[wildcards.cohort].shards


def model_of(wildcards):
    """The model record that an answer job checks its model against."""
    return MODELS[wildcards.experiment]


def fingerprint_of(wildcards):
    """What the answers depend on, so that a change of it is seen as one."""
    return RUN[wildcards.experiment].fingerprint


def shards_of(wildcards):
    """All result shards of one cohort and experiment."""
    return ANSWERS[wildcards.cohort, wildcards.experiment]


def results_table_of(wildcards):
    """The tables that a load writes, so that another name loads again."""
    experiment = RUN[wildcards.experiment].experiment
    return [experiment.results_table, experiment.failures, experiment.answer_prefix]

import os
import re
import secrets
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake_interface_executor_plugins.settings import ExecMode

from notemill.environment import without_environment
from notemill.errors import NotemillError

try:
    from notemill.comparison.planned import planned_comparisons
    from notemill.config import read_config
    from notemill.cores import without_core_dumps
    from notemill.files import sha256_of_file
    from notemill.notes.frozen import check_files, compare_files, told_touched
    from notemill.paths import Layout, cut_name, shard_names
    from notemill.plan.evaluations import check_gold, evaluated_runs
    from notemill.plan.batches import batches
    from notemill.plan.runs import check_purged, checked_plan
    from notemill.plan.servers import startable, together
    from notemill.answers.grades import graded_by
    from notemill.answers.refusal import PLAN_VARIABLE
    from notemill.outputs.delivered import edition, output_paths
    from notemill.pilot.record import GPUS_VARIABLE
    from notemill.slurm import mend_executor
    from notemill.slurm.hidden import mend_hidden
    from notemill.slurm.resources import settle_words
    from notemill.slurm.termination import mend_termination
    from notemill.slurm.updates import mend_updates
except ModuleNotFoundError as error:
    raise WorkflowError(str(without_environment(f"package '{error.name}'"))) from None

# Notes, answers, logs and Snakemake's own records are the user's alone.
os.umask(0o077)
# And none of it, nor the password, is to lie in a core dump.
without_core_dumps()

# This invocation's name, which its jobs inherit and keep when they read this file themselves. A new
# one whatever the user's shell says: what was refused to another invocation may be mended.
if workflow.is_main_process:
    os.environ[PLAN_VARIABLE] = secrets.token_hex(8)
    # For the pilot's estimate: what the profile allows at once.
    os.environ[GPUS_VARIABLE] = str(workflow.global_resources.get("gpu").value or "")

mend_termination()
mend_updates()
mend_hidden()

# In the process that submits and watches; the jobs' own have nothing to do with it.
if workflow.exec_mode == ExecMode.DEFAULT:
    mend_executor()


def _checked_plan():
    """Configuration, layout, runs, batches, the runs of each evaluation, and comparisons; a wrong
    configuration ends here, before any job."""
    try:
        checked = read_config(config, where=configuration_is_from())
        if (moved := moved_by_prefix(checked.results)) != checked.results:
            # The jobs' scripts are given this dictionary, and the one from outside is not ours.
            globals()["config"] = {**config, "results": str(moved)}
            checked = read_config(config, where=configuration_is_from())
        runs = checked_plan(checked)
        if workflow.is_main_process:
            check_gold(checked)
            check_purged(checked, runs)
            # Not by jobs: their nodes need not see the files.
            for name, files in check_files(checked).items():
                logger.warning(told_touched(name, files))
        evaluated = evaluated_runs(checked, runs)
        compared = planned_comparisons(checked, runs)
        layout = Layout(checked.results)
        return checked, layout, runs, batches(runs, layout), evaluated, compared
    except NotemillError as error:
        raise WorkflowError(str(error)) from None


CONFIG, LAYOUT, RUNS, BATCHES, EVALUATED, COMPARED = _checked_plan()
RUN = {run.experiment_id: run for run in RUNS}
ALONE = [run.experiment_id for run in RUNS if not run.experiment.together]

if workflow.is_main_process:
    for remark in (remark for run in RUNS for remark in run.remarks):
        logger.warning(remark)


# A bar for a run on this machine, unless Snakemake is given another way to show one (--logger).
# Under -n it does not come here.
onstart:
    # Before the first job, and not under -n: this may read large files.
    if workflow.is_main_process:
        try:
            compare_files(CONFIG)
        except NotemillError as error:
            raise WorkflowError(str(error)) from None
    here = workflow.is_main_process and workflow.local_exec and not workflow.touch
    if here and not workflow.output_settings.log_handler_settings:
        from notemill.status.bar import show_bar

        show_bar(CONFIG, RUNS)


# Without a database nothing has to be reached: files are read and written here.
DATABASE_IS_HERE = not CONFIG.database or CONFIG.database.reached_from == "login"

CUT = {name: cut_name(cohort.shards) for name, cohort in CONFIG.cohorts.items()}

MANIFESTS = [LAYOUT.manifest(cohort, cut) for cohort, cut in CUT.items()]
MODELS = {run.experiment_id: LAYOUT.model(run.model_id) for run in RUNS}
PILOTS = {
    (cohort, run.experiment_id): LAYOUT.pilot(cohort, run.experiment_id)
    for run in RUNS
    for cohort in run.cohorts
    if run.experiment.pilot.notes
}
ANSWERS = {
    (cohort, run.experiment_id): expand(
        LAYOUT.answers(cohort, run.experiment_id, CUT[cohort], "{shard}"),
        shard=shard_names(CONFIG.cohorts[cohort].shards),
    )
    for run in RUNS
    for cohort in run.cohorts
}
LOADS = [
    LAYOUT.load(cohort, run.experiment_id) for run in RUNS for cohort in run.cohorts
]
COMPARISONS = [LAYOUT.comparison(name) for name in COMPARED]
REPEATS = [
    LAYOUT.repeat(cohort, run.experiment_id)
    for run in RUNS
    for cohort in run.cohorts
    if run.experiment.repeat.notes
]

EVALUATIONS = [LAYOUT.evaluation(name) for name in EVALUATED]


wildcard_constraints:
    cohort="|".join(CONFIG.cohorts),
    experiment="|".join(map(re.escape, RUN)),
    cut=r"cut-\d{4}",
    shard=r"\d{4}",
    model="|".join({run.model_id for run in RUNS}),
    evaluation="|".join(EVALUATED) or "none",
    comparison="|".join(COMPARED) or "none",


def manifest_of(wildcards):
    """The manifest of a cohort's cut into as many shards as the configuration says."""
    return LAYOUT.manifest(wildcards.cohort, CUT[wildcards.cohort])


def model_of(wildcards):
    """The model record that an answer job checks its model against."""
    return MODELS[wildcards.experiment]


def pilot_of(wildcards):
    """The pilot that a shard waits for, none where it is left out."""
    return PILOTS.get((wildcards.cohort, wildcards.experiment), [])


# Snakemake looks into a function again for each job: a path, where all have one.
MODEL = model_of if len({*MODELS.values()}) > 1 else MODELS[RUNS[0].experiment_id]
PILOT = (
    LAYOUT.pilot("{cohort}", "{experiment}")
    if all(run.experiment.pilot.notes for run in RUNS)
    else pilot_of
)


def _fixed_with(batch, path_of):
    """An input function: a file for each task that the batch was fixed with, as far as it can be.

    A task that was taken away has left its file, as a rule; no one would make another.
    """

    def paths(wildcards):
        found = {each: path_of(wildcards.cohort, each) for each in batch.asked_with}
        return [path for each, path in found.items() if each in RUN or path.exists()]

    return paths


def tables_of_batch(batch):
    """The tables of a batch's tasks."""
    return _fixed_with(batch, LAYOUT.tables)


def pilots_of_batch(batch):
    """The pilots of a batch's tasks, none where they are left out."""
    return (
        _fixed_with(batch, LAYOUT.pilot) if batch.runs[0].experiment.pilot.notes else []
    )


def like_their_rules():
    """Let what a profile says of the rules `answer` and `pilot_job` hold for those of batches, and
    what it says of any rule for the same one by the name that a module gives it."""
    settings = workflow.resource_settings
    named = workflow.modifier.modify_rulename
    for given in ("overwrite_threads", "overwrite_resources"):
        said = dict(getattr(settings, given))
        for kind in ("answer", "pilot_job"):
            for name in (f"{kind}_{batch.name}" for batch in BATCHES):
                if kind in said:
                    said.setdefault(name, said[kind])
                if named(kind) in said:
                    said.setdefault(named(name), said[named(kind)])
        theirs = {named(name): values for name, values in said.items()}
        setattr(settings, given, {**theirs, **said})
        # Read by now, if there were rules before ours.
        vars(settings).pop(f"_parsed_{given}", None)


like_their_rules()


def result_of(wildcards):
    """What a result shard depends on, so that a change of it is seen as one."""
    run = RUN[wildcards.experiment]
    return " ".join(filter(None, [run.fingerprint, graded_by(run.task)]))


def gpus_of_run(run):
    """GPUs of a job: one for each of its servers. The embedded engine's are the CPU's, and
    endpoints have their own."""
    if not run.engine.computes_here:
        return 0
    return 1 if run.engine.kind == "llamacpp" else run.engine.servers


def gpus_of(wildcards):
    """GPUs of a job of the experiment."""
    return gpus_of_run(RUN[wildcards.experiment])


# A number where it is the same for all: a function is called for each job when planning.
GPUS = gpus_of if any(gpus_of_run(run) != 1 for run in RUNS) else 1


def shards_of(wildcards):
    """All result shards of one cohort and experiment."""
    return ANSWERS[wildcards.cohort, wildcards.experiment]


def tables_of(wildcards):
    """The tables and files that a load writes, so that another name or prefix loads again.

    Not their columns of evidence: tables that must be made would hide from Snakemake that shards
    must be written again, and the load looks at the tables too.
    """
    run = RUN[wildcards.experiment]
    experiment, tables = run.experiment, []
    if experiment.results_table:
        tables = [experiment.results_table, experiment.failures]
    own = [experiment.answer_prefix, CONFIG.experiments_table]
    return [*tables, *own, *map(str, output_paths(run, wildcards.cohort))]


def loaded_of(wildcards):
    """What a load writes. With the evidence: Snakemake forgets why a job ran that failed, and a
    shard that was not graded anew would stay so; the load sees it."""
    run = RUN[wildcards.experiment]
    told = [*tables_of(wildcards), *filter(None, [graded_by(run.task)])]
    if run.experiment.outputs:
        # A file that is not there any more is written again.
        told.append(f"files gone: {edition(LAYOUT, wildcards.cohort, run)}")
    return told


def loads_of_evaluation(wildcards):
    """The loads of the experiments that an evaluation is of."""
    cohort = CONFIG.evaluations[wildcards.evaluation].cohort
    return [
        LAYOUT.load(cohort, run.experiment_id)
        for run in EVALUATED[wildcards.evaluation]
    ]


def gold_of(wildcards):
    """The gold's file, none where it is a query."""
    gold = CONFIG.evaluations[wildcards.evaluation].file
    return unmoved(gold) if gold else []


def evaluation_of(wildcards):
    """All that an evaluation is told, so that a change of it computes it anew.

    The gold's sha256 too: a file that was put in its place may be older than the figures.
    """
    evaluation = CONFIG.evaluations[wildcards.evaluation]
    gold = sha256_of_file(evaluation.file) if evaluation.file else ""
    told = [evaluation.model_dump_json(), CONFIG.evaluations_table, gold]
    settled = {run.name: run.task.settled_as for run in RUNS if run.task.settled_as}
    return [*told, settled] if settled else told


def loads_compared(wildcards):
    """The loads of a comparison's two experiments, an earlier one's too."""
    compared = COMPARED[wildcards.comparison]
    return [LAYOUT.load(compared.cohort, each) for each in compared.experiments]


def evaluation_compared(wildcards):
    """The evaluation whose labels say which of the two is right, none without."""
    name = COMPARED[wildcards.comparison].settings.evaluation
    return LAYOUT.evaluation(name) if name else []


def comparison_of(wildcards):
    """What a comparison depends on beside the answers."""
    return COMPARED[wildcards.comparison].settings.model_dump_json()


def repeat_of(wildcards):
    """What is asked again, so that a change of it is seen as one."""
    return RUN[wildcards.experiment].experiment.repeat.model_dump_json()


SERVED = {each.id: each for each in together(CONFIG, RUNS)}


def gpus_of_server(served):
    """GPUs of a server's job: one for each server that it starts."""
    return 1 if served.engine.kind == "llamacpp" else served.engine.servers


def servers_wanted(_):
    """As many servers as GPUs may be taken, shared by the models that are asked."""
    try:
        chosen = startable(CONFIG, RUNS)
    except NotemillError as error:
        raise WorkflowError(str(error)) from None
    gpus = workflow.global_resources.get("gpu").value or 1
    most = gpus // len(chosen)
    return [
        LAYOUT.server(os.environ[PLAN_VARIABLE], served.id, number)
        for served in chosen
        for number in range(1, max(most // gpus_of_server(served), 1) + 1)
    ]

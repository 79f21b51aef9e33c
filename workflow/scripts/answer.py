"""The GPU job: from one notes shard to its result shard; see notemill.answers.job."""

from functools import partial
from pathlib import Path

from notemill.config import read_config
from notemill.database.password import leave_password_out
from notemill.logs import job_log
from notemill.plan.runs import run_of

leave_password_out()
with job_log(snakemake.log[0]):
    from notemill.answers.experiment_record import keep_record, refuse_another_model
    from notemill.answers.job import ShardJob, answer_shard
    from notemill.engines.record import read_record
    from notemill.paths import Layout

    config = read_config(snakemake.config)
    layout = Layout(config.results)
    cohort, shard = snakemake.wildcards.cohort, snakemake.wildcards.shard
    cut = snakemake.wildcards.cut
    run = run_of(config, snakemake.wildcards.experiment)
    origin = (layout, run.experiment_id, run.experiment, read_record(Path(snakemake.input.model)))
    refuse_another_model(*origin)
    answer_shard(
        ShardJob(
            cohort=cohort,
            shard=shard,
            experiment_id=run.experiment_id,
            experiment=run.experiment,
            engine=run.engine,
            task=run.task,
            notes=layout.notes(cohort, cut, shard),
            manifest=Path(snakemake.input.manifest),
            model=Path(snakemake.input.model),
            output=Path(snakemake.output[0]),
            engine_log=Path(snakemake.log[0]).with_suffix(".engine.log"),
            proven=partial(keep_record, *origin),
            refusal=layout.refusal(run.experiment_id),
            threads=snakemake.threads,
        )
    )

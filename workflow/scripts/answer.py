"""The GPU job: from a notes shard to a result shard for each task that is asked; see
notemill.answers.job."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.database.password import leave_password_out
from notemill.logs import job_log
from notemill.plan.runs import runs_of

leave_password_out()
with job_log(snakemake.log[0]):
    from notemill.answers.job import answer_shards
    from notemill.answers.shard_job import ShardJob
    from notemill.metrics import watching
    from notemill.paths import Layout, experiment_of_answers

    config = read_config(snakemake.config)
    runs = runs_of(config, [experiment_of_answers(Path(path)) for path in snakemake.output])
    jobs = [
        ShardJob(
            run=run,
            layout=Layout(config.results),
            cohort=snakemake.wildcards.cohort,
            cut=snakemake.wildcards.cut,
            shard=snakemake.wildcards.shard,
            engine_log=Path(snakemake.log[0]).with_suffix(".engine.log"),
            threads=snakemake.threads,
        )
        for run in runs
    ]
    answer_shards(jobs, snakemake.params.get("asked_with", "").split(), watching(config))

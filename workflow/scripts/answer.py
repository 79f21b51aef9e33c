"""The GPU job: from one notes shard to its result shard; see notemill.answers.job."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.database.password import leave_password_out
from notemill.logs import job_log
from notemill.plan.runs import run_of

leave_password_out()
with job_log(snakemake.log[0]):
    from notemill.answers.job import answer_shard
    from notemill.answers.work import ShardJob
    from notemill.paths import Layout

    config = read_config(snakemake.config)
    answer_shard(
        ShardJob(
            run=run_of(config, snakemake.wildcards.experiment),
            layout=Layout(config.results),
            cohort=snakemake.wildcards.cohort,
            cut=snakemake.wildcards.cut,
            shard=snakemake.wildcards.shard,
            engine_log=Path(snakemake.log[0]).with_suffix(".engine.log"),
            threads=snakemake.threads,
        )
    )

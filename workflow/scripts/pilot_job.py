"""The pilot's GPU job: some texts of a cohort's first shard, for each task that is asked; see
notemill.pilot.job."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.database.password import leave_password_out
from notemill.logs import job_log
from notemill.plan.runs import runs_of

leave_password_out()
with job_log(snakemake.log[0]):
    from notemill.answers.shard_job import ShardJob
    from notemill.paths import Layout
    from notemill.pilot.job import run_pilots

    config = read_config(snakemake.config)
    manifest = Path(snakemake.input.manifest)
    jobs = [
        ShardJob(
            run=run,
            layout=Layout(config.results),
            cohort=snakemake.wildcards.cohort,
            cut=manifest.parent.name,
            shard="0000",
            engine_log=Path(snakemake.log[0]).with_suffix(".engine.log"),
            threads=snakemake.threads,
        )
        for run in runs_of(config, [Path(path).stem for path in snakemake.output])
    ]
    run_pilots(jobs, snakemake.params.get("asked_with", "").split())

"""The GPU job that asks some answered texts again; see notemill.comparison.repeat."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.database.password import leave_password_out
from notemill.logs import job_log
from notemill.plan.runs import run_of

leave_password_out()
with job_log(snakemake.log[0]):
    from notemill.comparison.repeat import RepeatJob, run_repeat
    from notemill.paths import Layout

    config = read_config(snakemake.config)
    run_repeat(
        RepeatJob(
            run=run_of(config, snakemake.wildcards.experiment),
            layout=Layout(config.results),
            cohort=snakemake.wildcards.cohort,
            cut=Path(snakemake.input.manifest).parent.name,
            engine_log=Path(snakemake.log[0]).with_suffix(".engine.log"),
            threads=snakemake.threads,
        )
    )

"""From result shards to the database and to files; see notemill.outputs.deliver."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.logs import job_log
from notemill.plan.runs import run_of

with job_log(snakemake.log[0]):
    from notemill.load.work import load_of
    from notemill.outputs.deliver import deliver
    from notemill.paths import Layout

    config = read_config(snakemake.config)
    work = load_of(
        run_of(config, snakemake.wildcards.experiment),
        config.experiments_table,
        snakemake.wildcards.cohort,
        Path(snakemake.input.manifest),
        shards=[Path(shard) for shard in snakemake.input.answers],
    )
    cohort = config.cohorts[snakemake.wildcards.cohort]
    report = deliver(config.database, work, Layout(config.results), cohort)
    report.write(Path(snakemake.output[0]))

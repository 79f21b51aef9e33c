"""A load's tables, made or checked before any GPU, and its files' places; see
notemill.load.rehearsal and notemill.outputs.deliver."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.logs import job_log
from notemill.plan.runs import run_of

with job_log(snakemake.log[0]):
    from notemill.load.work import load_of
    from notemill.outputs.deliver import prepare

    config = read_config(snakemake.config)
    work = load_of(
        run_of(config, snakemake.wildcards.experiment),
        config.experiments_table,
        snakemake.wildcards.cohort,
        Path(snakemake.input[0]),
        shards=[],
    )
    prepare(config.database, work).write(Path(snakemake.output[0]))

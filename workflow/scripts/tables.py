"""A load's tables, made or checked before any GPU; see notemill.load.rehearsal."""

from pathlib import Path

from notemill.config import read_config
from notemill.logs import job_log

with job_log(snakemake.log[0]):
    from notemill.load.rehearsal import prepare_tables
    from notemill.load.work import load_of

    config = read_config(snakemake.config)
    cohort, experiment = snakemake.wildcards.cohort, snakemake.wildcards.experiment
    work = load_of(config, cohort, experiment, Path(snakemake.input[0]), [])
    prepare_tables(config.database, work).write(Path(snakemake.output[0]))

"""A load's tables, made or checked before any GPU; see notemill.load.rehearsal."""

from pathlib import Path

from notemill.config import read_config
from notemill.logs import job_log
from notemill.plan.runs import run_of

with job_log(snakemake.log[0]):
    from notemill.load.rehearsal import prepare_tables
    from notemill.load.work import Load
    from notemill.notes.manifest import read_manifest

    config = read_config(snakemake.config)
    run = run_of(config, snakemake.wildcards.experiment)
    manifest = read_manifest(Path(snakemake.input[0]), of=snakemake.wildcards.cohort)
    work = Load(run, config.experiments_table, manifest, shards=[])
    prepare_tables(config.database, work).write(Path(snakemake.output[0]))

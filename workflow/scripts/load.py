"""From result shards to the database; see notemill.load.loader."""

from pathlib import Path

from notemill.config import read_config
from notemill.logs import job_log
from notemill.plan.runs import run_of

with job_log(snakemake.log[0]):
    from notemill.load.loader import load
    from notemill.load.work import Load
    from notemill.notes.manifest import read_manifest

    config = read_config(snakemake.config)
    run = run_of(config, snakemake.wildcards.experiment)
    manifest = read_manifest(Path(snakemake.input.manifest), of=snakemake.wildcards.cohort)
    shards = [Path(shard) for shard in snakemake.input.answers]
    work = Load(run, config.experiments_table, manifest, shards)
    load(config.database, work).write(Path(snakemake.output[0]))

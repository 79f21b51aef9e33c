"""From result shards to the database; see notemill.load.loader."""

from pathlib import Path

from notemill.config import read_config
from notemill.logs import job_log

with job_log(snakemake.log[0]):
    from notemill.load.loader import load
    from notemill.load.work import load_of

    config = read_config(snakemake.config)
    shards = [Path(shard) for shard in snakemake.input.answers]
    manifest = Path(snakemake.input.manifest)
    cohort, experiment = snakemake.wildcards.cohort, snakemake.wildcards.experiment
    work = load_of(config, cohort, experiment, manifest, shards)
    load(config.database, work).write(Path(snakemake.output[0]))

"""From result shards to the database; see notemill.load.loader."""

from pathlib import Path

from notemill.config import read_config
from notemill.logs import job_log
from notemill.plan import plan_runs

with job_log(snakemake.log[0]):
    from notemill.load.loader import load
    from notemill.load.work import Load
    from notemill.notes.manifest import read_manifest

    config = read_config(snakemake.config)
    run = next(r for r in plan_runs(config) if r.experiment_id == snakemake.wildcards.experiment)
    work = Load(
        experiment_name=run.name,
        experiment_id=run.experiment_id,
        experiment=run.experiment,
        experiments_table=config.experiments_table,
        task=run.task,
        manifest=read_manifest(Path(snakemake.input.manifest)),
        shards=[Path(shard) for shard in snakemake.input.answers],
    )
    load(config.database, work).write(Path(snakemake.output[0]))

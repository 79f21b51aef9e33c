"""What a model is, pulled first where allowed; see notemill.engines.model."""

from pathlib import Path

from notemill.config import read_config
from notemill.database.password import leave_password_out
from notemill.logs import job_log
from notemill.plan.runs import plan_runs

leave_password_out()
with job_log(snakemake.log[0]):
    from notemill.engines.model import record_model

    runs = plan_runs(read_config(snakemake.config))
    run = next(run for run in runs if run.model_id == snakemake.wildcards.model)
    engine_log = Path(snakemake.log[0]).with_suffix(".engine.log")
    record_model(run.engine, run.experiment.model, engine_log).write(Path(snakemake.output[0]))

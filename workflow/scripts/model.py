"""What a model is, pulled first where allowed; see notemill.engines.kinds."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.database.password import leave_password_out
from notemill.logs import job_log
from notemill.plan.runs import run_with_model

leave_password_out()
with job_log(snakemake.log[0]):
    from notemill.endpoints.recording import recorded_model

    run = run_with_model(read_config(snakemake.config), snakemake.wildcards.model)
    engine_log = Path(snakemake.log[0]).with_suffix(".engine.log")
    recorded_model(run.engine, run.experiment.model, engine_log).write(Path(snakemake.output[0]))

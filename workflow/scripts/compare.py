"""Two experiments held against each other; see notemill.comparison.compare."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.comparison.planned import planned_comparisons
from notemill.config import read_config
from notemill.database.password import leave_password_out
from notemill.logs import job_log
from notemill.plan.runs import plan_runs

leave_password_out()
with job_log(snakemake.log[0]):
    from notemill.comparison.compare import compare
    from notemill.paths import Layout, cut_name

    config = read_config(snakemake.config)
    runs = plan_runs(config)
    planned = planned_comparisons(config, runs)[snakemake.wildcards.comparison]
    cut = cut_name(config.cohorts[planned.cohort].shards)
    by_id = {run.experiment_id: run for run in runs}
    compare(Layout(config.results), planned, cut, by_id).write(Path(snakemake.output.record))

"""Two experiments held against each other; see notemill.comparison.compare."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.comparison.planned import planned_comparisons
from notemill.config import read_config
from notemill.logs import job_log
from notemill.plan.runs import plan_runs
from notemill.standing import last_one_kept

with job_log(snakemake.log[0]):
    from notemill.comparison.compare import compare

    output = Path(snakemake.output.record)
    config = read_config(snakemake.config)
    runs = plan_runs(config)
    planned = planned_comparisons(config, runs)[snakemake.wildcards.comparison]
    by_id = {run.experiment_id: run for run in runs}
    with last_one_kept(output, Path(snakemake.output.flips)):
        compare(config, planned, by_id).write(output)

"""Loaded answers held against gold labels; see notemill.evaluation.evaluate."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.logs import job_log
from notemill.plan.evaluations import evaluated_runs
from notemill.plan.runs import plan_runs
from notemill.standing import last_one_kept

with job_log(snakemake.log[0]):
    from notemill.evaluation.evaluate import evaluate

    output = Path(snakemake.output[0])
    config = read_config(snakemake.config)
    name = snakemake.wildcards.evaluation
    runs = evaluated_runs(config, plan_runs(config))[name]
    with last_one_kept(output):
        evaluate(config, name, runs).write(output)

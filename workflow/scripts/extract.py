"""From the database or files to notes shards; see notemill.notes.extract."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.logs import job_log

with job_log(snakemake.log[0]):
    from notemill.answers.recut import JournaledAnswers
    from notemill.notes.extract import extract
    from notemill.paths import Layout

    config = read_config(snakemake.config)
    cohort = snakemake.wildcards.cohort
    layout = Layout(config.results)
    answers = JournaledAnswers(layout, cohort)
    extract(config.database, cohort, config.cohorts[cohort], layout, answers)

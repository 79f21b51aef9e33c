"""What the run came to, as a page and as data; see notemill.report."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.database.password import leave_password_out
from notemill.logs import job_log
from notemill.plan.runs import plan_runs

leave_password_out()
with job_log(snakemake.log[0]):
    from notemill.report.gather import gather, refuse_unfinished
    from notemill.report.write import write_report

    config = read_config(snakemake.config)
    report = gather(config, plan_runs(config))
    refuse_unfinished(report)
    write_report(Path(snakemake.output[0]), report)

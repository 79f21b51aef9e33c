"""What the pilots measured and advise, on the terminal; see notemill.pilot.table."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.database.password import leave_password_out
from notemill.logs import job_log
from notemill.plan.runs import plan_runs

leave_password_out()
with job_log(snakemake.log[0]):
    from notemill.pilot.report import report_pilots
    from notemill.pilot.table import pilot_console, print_pilots

    config = read_config(snakemake.config)
    reports = list(report_pilots(config, plan_runs(config), list(config.cohorts)))
    print_pilots(reports, pilot_console())

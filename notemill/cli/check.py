"""`notemill check`: what would run."""

from __future__ import annotations

from notemill.cli.given import Command, Given
from notemill.plan.runs import checked_plan


def _check(given: Given) -> int:
    for run in checked_plan(given.config):
        print(f"{run.experiment_id}: {run.experiment.model} over {', '.join(run.cohorts)}")
        for remark in run.remarks:
            print(f"  note: {remark}")
    return 0


CHECK = Command("check", "check the configuration and its tasks, and say what would run", _check)

"""What experiments are called in the page: as short as tells them apart."""

from __future__ import annotations

from notemill.report.record import Answered, Report


def called(report: Report, experiment: str) -> str:
    """An experiment's name, by its id; the id where two have the name, or none is known."""
    names = [each.name for each in report.experiments if each.experiment == experiment]
    alike = [each for each in report.experiments if [each.name] == names]
    return names[0] if len(names) == 1 and len(alike) == 1 else experiment


def answers_called(report: Report, each: Answered) -> str:
    """An experiment over a cohort, whose name is told where there are several."""
    name = called(report, each.experiment)
    return f"{name} over {each.cohort}" if len(report.cohorts) > 1 else name

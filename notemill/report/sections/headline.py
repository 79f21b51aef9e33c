"""What was done and how good it is, in three lines."""

from __future__ import annotations

from notemill.report.numbers import figure, listed, significant
from notemill.report.record import Answered, Report
from notemill.report.tables import told, told_share


def headline(report: Report) -> list[tuple[str, str]]:
    """(label, sentence): what was done, what came of it, how good it is."""
    return [
        ("What was done.", _done(report)),
        ("What came of it.", _came(report)),
        ("How good it is.", _good(report)),
    ]


def _done(report: Report) -> str:
    models = listed(list(dict.fromkeys(each.model.name for each in report.experiments)), 3)
    names = listed([each.name for each in report.experiments], 3)
    notes = listed([f"the {told(each.asked)} notes of {each.name}" for each in report.cohorts], 3)
    number = len(report.experiments)
    asked = f"{number} experiments" if number != 1 else "Experiment"
    if not number or not report.cohorts:
        return "Nothing was asked."
    return f"{asked} {names} asked {models} about {notes}."


def _came(report: Report) -> str:
    if not report.answers:
        return "No answer is known yet."
    if len(report.answers) > 3:
        shares = [each.answered.middle / each.asked.middle for each in report.answers if each.asked.low]
        span = f"{min(shares):.1%} to {max(shares):.1%}" if shares else "none"
        sentence = f"A valid answer has {span} of the notes, by experiment and cohort."
    else:
        sentence = " ".join(_one(each, len(report.answers) > 1) for each in report.answers)
    return f"{sentence} {_took(report)}".strip()


def _one(each: Answered, named: bool) -> str:
    by = f"{each.experiment}: " if named else ""
    return (
        f"{by}{told(each.answered)} of {told(each.asked)} notes have a valid answer "
        f"({told_share(each.answered, each.asked)})."
    )


def _took(report: Report) -> str:
    hours = [each.computing.gpu_hours for each in report.answers]
    known = [each for each in hours if each is not None]
    if known:
        gpus = listed(sorted({gpu for each in report.answers for gpu in each.computing.gpus}), 3)
        return f"It took {significant(sum(known))} GPU hours{f' ({gpus})' if gpus else ''}."
    jobs = sum(each.computing.job_hours for each in report.answers)
    return f"It took {significant(jobs)} hours of jobs."


def _good(report: Report) -> str:
    return "It was not measured: the run has no evaluation and no audit."

"""What was done and how good it is, in three lines."""

from __future__ import annotations

from collections.abc import Iterator

from notemill.report.numbers import figure, listed, significant
from notemill.report.record import Answered, FieldAnswered, Report
from notemill.report.sections.evaluation import main_figures
from notemill.report.tables import told, told_share

_MOST = 4
"""Sentences of how good it is."""
_FEW = 5
"""Classes whose shares a sentence can hold."""


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
        shares = [
            each.answered.middle / each.asked.middle for each in report.answers if each.asked.low
        ]
        span = f"{min(shares):.1%} to {max(shares):.1%}" if shares else "none"
        sentence = f"A valid answer has {span} of the notes, by experiment and cohort."
    else:
        sentence = " ".join(_one(each, len(report.answers) > 1) for each in report.answers)
    return f"{sentence} {_took(report)}".strip()


def _one(each: Answered, named: bool) -> str:
    by = f"{each.experiment}: " if named else ""
    classes = next((field for field in each.fields if field.kind == "choice"), None)
    shares = (
        f"; {classes.name}: {_shares(classes, each)}"
        if classes and len(classes.classes) <= _FEW
        else ""
    )
    return (
        f"{by}{told(each.answered)} of {told(each.asked)} notes have a valid answer "
        f"({told_share(each.answered, each.asked)}){shares}."
    )


def _shares(field: FieldAnswered, each: Answered) -> str:
    return listed(
        [f"{named.name} {told_share(named.count, each.answered)}" for named in field.classes]
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
    sentences = [*_evaluated(report), *_audited(report), *_repeated(report)]
    kept = sentences[:_MOST]
    if not kept:
        return "It was not measured: the run has no evaluation and no audit."
    if len(sentences) > _MOST:
        kept.append("The sections below have the others.")
    return " ".join(kept)


def _evaluated(report: Report) -> Iterator[str]:
    """The first field of each experiment, by the headline notes of each evaluation."""
    for evaluation in report.evaluations:
        for each in evaluation.experiments:
            for field in each.fields[:1]:
                part = field.parts[0]
                if main := main_figures(part):
                    name, answered, in_all = main
                    yield (
                        f"Against right values of {told(part.notes)} notes ({evaluation.name}) the "
                        f"{name} of {each.name} in {field.field} is {figure(answered)} on answered "
                        f"notes, {figure(in_all)} with no answer counted as wrong."
                    )


def _audited(report: Report) -> Iterator[str]:
    for each in report.audits:
        readers = "One reader" if each.readers == 1 else f"{each.readers} readers"
        yield (
            f"{readers} of a blinded sample put the accuracy of {each.field} in the whole cohort "
            f"{each.cohort} at {figure(each.all.accuracy)}."
        )


def _repeated(report: Report) -> Iterator[str]:
    for each in report.repeats:
        yield f"Asked again, {figure(each.same)} of the answers of {each.experiment} stay the same."

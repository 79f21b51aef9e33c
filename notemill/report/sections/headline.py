"""What was done and how good it is, in three lines."""

from __future__ import annotations

from collections.abc import Iterator

from notemill.report.numbers import capital, figure, hours, listed
from notemill.report.quality import FieldMeasured
from notemill.report.record import Answered, FieldAnswered, Report
from notemill.report.sections.answers import answered_of
from notemill.report.sections.evaluation import main_figures
from notemill.report.sections.names import answers_called, called
from notemill.report.tables import told, told_share

_SENTENCES = 4
"""Of how good it is."""
_EXPERIMENTS = 3
"""That a line can tell of one by one."""
_CLASSES = 5
"""Whose shares a sentence can hold."""


def headline(report: Report) -> list[tuple[str, str]]:
    """(label, sentences): what was done, what came of it, how good it is."""
    return [
        ("What was done.", _done(report)),
        ("What came of it.", _came(report)),
        ("How good it is.", _good(report)),
    ]


def _done(report: Report) -> str:
    if not report.experiments or not report.cohorts:
        return "Nothing was asked."
    models = listed(list(dict.fromkeys(each.model.name for each in report.experiments)), 3)
    names = [called(report, each.experiment) for each in report.experiments]
    notes = listed([f"the {told(each.asked)} notes of {each.name}" for each in report.cohorts], 3)
    who = f"Experiment {names[0]}" if len(names) == 1 else f"{len(names):,} experiments"
    which = f" ({listed(names, 3)})" if len(names) > 1 else ""
    return f"{who}{which} asked {models} about {notes}."


def _came(report: Report) -> str:
    if not report.answers:
        return "No answer is known yet."
    if len(report.answers) <= _EXPERIMENTS:
        sentences = [_one(report, each) for each in report.answers]
    else:
        sentences = [_span(report)]
    return " ".join([*sentences, _took(report)])


def _span(report: Report) -> str:
    known = [each for each in report.answers if each.asked.low]
    if not known:
        return "There was no note to ask about."
    by_share = sorted(known, key=lambda each: each.answered.middle / each.asked.middle)
    least, most = (told_share(each.answered, each.asked) for each in (by_share[0], by_share[-1]))
    return f"A valid answer has {least} to {most} of the notes, by experiment."


def _one(report: Report, each: Answered) -> str:
    by = f"{answers_called(report, each)}: " if len(report.answers) > 1 else ""
    choice = next((field for field in each.fields if field.kind == "choice"), None)
    shares = ""
    if choice and len(choice.classes) <= _CLASSES and each.answered.low:
        shares = f"; {choice.name}: {_shares(choice, each)}"
    return f"{by}{answered_of(each)}{shares}."


def _shares(field: FieldAnswered, each: Answered) -> str:
    return listed(
        [f"{named.name} {told_share(named.count, each.answered)}" for named in field.classes]
    )


def _took(report: Report) -> str:
    held = [each.computing.gpu_hours for each in report.answers]
    known = [each for each in held if each is not None]
    if known:
        gpus = listed(sorted({gpu for each in report.answers for gpu in each.computing.gpus}), 3)
        return f"Its jobs held GPUs for {hours(sum(known))}{f' ({gpus})' if gpus else ''}."
    jobs = sum(each.computing.job_hours for each in report.answers)
    return f"Its jobs took {hours(jobs)}."


def _good(report: Report) -> str:
    sentences = [*_evaluated(report), *_audited(report), *_repeated(report)]
    if not sentences:
        return "It was not measured: the run has no evaluation and no audit."
    more = len(sentences) > _SENTENCES
    return " ".join([*sentences[:_SENTENCES], *(["The sections below have more."] if more else [])])


def _evaluated(report: Report) -> Iterator[str]:
    """The first field of each evaluation, all its experiments in one sentence."""
    for evaluation in report.evaluations:
        found = [
            (called(report, each.experiment), field, main)
            for each in evaluation.experiments
            for field in each.fields[:1]
            if (main := main_figures(field.parts[0]))
        ]
        if not found:
            continue
        _, field, (name, _, _) = found[0]
        each = [
            f"{experiment} {figure(in_all)}"
            for experiment, measured, (_, _, in_all) in found
            if measured.field == field.field
        ]
        told_of = told(field.parts[0].notes)
        yield (
            f"{capital(name)} in {field.field} against the right values of {told_of} "
            f"notes ({evaluation.name}), {_no_answer(field)}: {listed(each, _EXPERIMENTS)}."
        )


def _no_answer(field: FieldMeasured) -> str:
    """How notes without an answer count."""
    if field.settled_as is None:
        return "no answer counted as wrong"
    return f"notes that the gate settled taken for {field.settled_as}, no answer counted as wrong"


def _audited(report: Report) -> Iterator[str]:
    for each in report.audits:
        readers = "One reader" if each.readers == 1 else f"{each.readers} readers"
        yield (
            f"{readers} of a blinded sample put the accuracy of {called(report, each.experiment)} "
            f"in {each.field} over all of {each.cohort} at {figure(each.all.accuracy)}."
        )


def _repeated(report: Report) -> Iterator[str]:
    for each in report.repeats:
        yield (
            f"Asked again, {called(report, each.experiment)} gave the same answer to a share of "
            f"{figure(each.same)}."
        )

"""What a run says to an item of a checklist: a function each, empty where it says nothing."""

from __future__ import annotations

from notemill.report.count import exactly
from notemill.report.methods import name_of
from notemill.report.numbers import hours as duration
from notemill.report.numbers import listed
from notemill.report.record import Answered, Report
from notemill.report.words import day, days, told


def nothing(_: Report) -> str:
    return ""


def models(report: Report) -> str:
    told_ = []
    for each in report.experiments:
        of = each.model
        words = [
            of.name,
            *(of.details[key] for key in ("size", "quantisation") if key in of.details),
        ]
        told_.append(
            f"{each.name}: {', '.join(words)}{f', sha256 {of.digest}' if of.digest else ''}"
        )
    return _lines(told_)


def models_and_dates(report: Report) -> str:
    return _lines([*_nonempty(models(report)), *_nonempty(dates(report))])


def dates(report: Report) -> str:
    told_ = [
        f"{name_of(report, each.experiment)} over {each.cohort}: queried "
        f"{days(each.computing.first_answer_at, each.computing.last_answer_at)}"
        for each in report.answers
        if each.computing.first_answer_at
    ]
    return _lines(told_)


def tasks(report: Report) -> str:
    return _lines(
        [
            f"{each.name}: one note in, one answer of a JSON schema out (task {each.task})"
            for each in report.experiments
        ]
    )


def settings(report: Report) -> str:
    return _lines(
        [
            f"{each.name}: {', '.join(f'{name} {value}' for name, value in each.options.items())}"
            for each in report.experiments
        ]
    )


def architecture(report: Report) -> str:
    found = [
        f"{each.name}: architecture {each.model.details['architecture']}"
        for each in report.experiments
        if "architecture" in each.model.details
    ]
    return _lines([*found, *_nonempty(settings(report))])


def data(report: Report) -> str:
    return _lines(
        [
            f"{each.name}: {told(each.notes)} notes, read on {day(each.extracted_at)}; the "
            f"{each.source} {'is' if each.source == 'query' else 'are'} in this report"
            for each in report.cohorts
            if each.extracted_at
        ]
    )


def flow(report: Report) -> str:
    return _lines([words for each in report.answers if (words := _flow_of(report, each))])


def _flow_of(report: Report, of: Answered) -> str:
    parts = [
        f"{words} {what}"
        for count, what in ((of.asked, "asked"), (of.answered, "answered"), (of.failed, "failed"))
        if (words := told(count))
    ]
    return f"{name_of(report, of.experiment)} over {of.cohort}: {', '.join(parts)}" if parts else ""


def missing(report: Report) -> str:
    found = []
    for each in report.cohorts:
        if each.extracted_at and (blank := told(each.blank)):
            found.append(f"{each.name}: {blank} notes without text, not asked")
    for of in report.answers:
        reasons = [f"{words} ({e.name})" for e in of.failed_by if (words := told(e.count))]
        what = listed(reasons) or "none"
        name = f"{name_of(report, of.experiment)} over {of.cohort}"
        found.append(f"{name}: no valid answer: {what}")
        if of.not_relevant.high:
            found.append(f"{name}: settled by rules, not asked: {told(of.not_relevant)} notes")
    return _lines(found)


def preprocessing(report: Report) -> str:
    return (
        f"{_sent(report)}; only the model's own control tokens in them are broken up. Notes with "
        "equal texts are asked once."
        if report.answers
        else ""
    )


def _sent(report: Report) -> str:
    cut = any(rule.cut.high for of in report.answers for rule in of.gate)
    return (
        "Texts are sent as they are, but for parts that rules left out of some (the gate)"
        if cut
        else "Texts are sent as they are"
    )


def output(report: Report) -> str:
    return (
        "JSON held to a schema while it is generated, then validated; kept as validated, nothing "
        "is changed, filled in or guessed."
        if report.experiments
        else ""
    )


def metrics(report: Report) -> str:
    found = []
    for each in report.evaluations:
        alike = "patients" if each.clustered_by == "patient" else "texts"
        found.append(
            f"{each.name}: accuracy, sensitivity, specificity, PPV, NPV, F1, Cohen's kappa and "
            f"Gwet's AC1 with {each.level:.0%} intervals, {alike} resampled"
        )
    found += [f"{each.name}: cohort's figures from a weighted sample" for each in report.audits]
    return _lines(found)


def performance(report: Report) -> str:
    return "In the evaluation of this report." if report.evaluations or report.audits else ""


def compared(report: Report) -> str:
    return _lines([f"{c.name}: {c.first.name} against {c.second.name}" for c in report.comparisons])


def readers(report: Report) -> str:
    return _lines(
        [f"{each.name}: {each.readers} readers, blinded to the model" for each in report.audits]
    )


def prompts(report: Report) -> str:
    return "Word for word in this report." if report.experiments else ""


def structure(report: Report) -> str:
    first = [each.name for each in report.experiments if "note_first" in each.options]
    last = [each.name for each in report.experiments if "note_first" not in each.options]
    lines = []
    if last:
        whose = f" ({listed(last)})" if first else ""
        lines.append(
            f"Each note is a request of its own{whose}: system prompt, user prompt, note; no "
            "memory between requests."
        )
    if first:
        lines.append(
            f"Each note and question is a request of its own ({listed(first)}): a fixed system "
            "prompt, then the note, then the question's prompts; no memory between requests."
        )
    return _lines(lines)


def prompt_data(report: Report) -> str:
    found = []
    for each in report.evaluations:
        for of in each.experiments:
            if of.pilot_notes != exactly(0) and (notes := told(of.pilot_notes)):
                found.append(f"{of.name}: {notes} notes of {each.name} were asked by a pilot")
            elif of.pilots:
                found.append(f"{of.name}: no note of {each.name} was asked by a pilot")
    return _lines(found)


def independence(report: Report) -> str:
    found = [*_nonempty(prompt_data(report))]
    for each in report.evaluations:
        if each.headline == "test":
            found.append(f"{each.name}: figures are of the test split")
        found += [
            f"{each.name}: {of.name} had {len(of.earlier)} earlier versions evaluated on it"
            for of in each.experiments
            if of.earlier
        ]
    return _lines(found)


def stochasticity(report: Report) -> str:
    found = [
        f"{each.name}: temperature {each.options['temperature']}, seed {each.options['seed']}"
        for each in report.experiments
        if {"temperature", "seed"} <= each.options.keys()
    ]
    for of in report.repeats:
        if texts := told(of.texts):
            found.append(
                f"{name_of(report, of.experiment)}: {texts} texts asked again {len(of.seeds)} "
                "time(s); the shares that stayed the same are in this report"
            )
    return _lines(found)


def compute(report: Report) -> str:
    found = []
    for of in report.answers:
        took = of.computing
        if took.job_hours:
            gpus = f" on {listed(sorted(took.gpus))}" if took.gpus else ""
            rate = f", {took.notes_per_s:.3g} notes/s" if took.notes_per_s else ""
            words = f"{duration(took.job_hours)} of {took.jobs} jobs{gpus}{rate}"
            found.append(f"{name_of(report, of.experiment)} over {of.cohort}: {words}")
    return _lines(found)


def code(report: Report) -> str:
    return f"notemill {report.notemill}; tasks and configuration are yours to share."


def subgroups(report: Report) -> str:
    columns = {
        part.column
        for each in report.evaluations
        for of in each.experiments
        for field in of.fields
        for part in field.parts
        if part.part == "subgroup"
    }
    return f"Figures by {listed(sorted(columns))}." if columns else ""


def _lines(found: list[str]) -> str:
    return "\n".join(found)


def _nonempty(words: str) -> list[str]:
    return [words] if words else []

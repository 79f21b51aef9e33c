"""The items of two reporting guidelines, by their words, each with what the run says to it.

TRIPOD-LLM: Gallifant et al., Nat Med 2025;31:60-69, doi:10.1038/s41591-024-03425-5.
MI-CLEAR-LLM: Park et al., Korean J Radiol 2024, PMC11444851; the six items.
Items are named by their words, shortened; numbers in circulation differ. Items of training, tuning
and clinical use that no run of notemill can have are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from notemill.report.count import exactly
from notemill.report.methods import name_of
from notemill.report.record import Answered, ChecklistItem, Report
from notemill.report.words import day, days, listed, told

TRIPOD, MI_CLEAR = "TRIPOD-LLM", "MI-CLEAR-LLM"


class _Item(NamedTuple):
    guideline: str
    section: str
    words: str
    filled: Callable[[Report], str]
    yours: str


def checklist(report: Report) -> list[ChecklistItem]:
    """All items, filled as far as the run can."""
    return [
        ChecklistItem(
            guideline=each.guideline,
            section=each.section,
            item=each.words,
            filled=each.filled(report),
            yours=each.yours,
        )
        for each in _ITEMS
    ]


def _nothing(_: Report) -> str:
    return ""


def _models(report: Report) -> str:
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


def _models_and_dates(report: Report) -> str:
    return _lines([*_nonempty(_models(report)), *_nonempty(_dates(report))])


def _dates(report: Report) -> str:
    told_ = [
        f"{name_of(report, each.experiment)} over {each.cohort}: queried "
        f"{days(each.computing.first_answer_at, each.computing.last_answer_at)}"
        for each in report.answers
        if each.computing.first_answer_at
    ]
    return _lines(told_)


def _tasks(report: Report) -> str:
    return _lines(
        [
            f"{each.name}: one note in, one answer of a JSON schema out (task {each.task})"
            for each in report.experiments
        ]
    )


def _settings(report: Report) -> str:
    return _lines(
        [
            f"{each.name}: {', '.join(f'{name} {value}' for name, value in each.options.items())}"
            for each in report.experiments
        ]
    )


def _architecture(report: Report) -> str:
    found = [
        f"{each.name}: architecture {each.model.details['architecture']}"
        for each in report.experiments
        if "architecture" in each.model.details
    ]
    return _lines([*found, *_nonempty(_settings(report))])


def _data(report: Report) -> str:
    return _lines(
        [
            f"{each.name}: {told(each.notes)} notes, read on {day(each.extracted_at)}; the query "
            "is in this report"
            for each in report.cohorts
            if each.extracted_at
        ]
    )


def _flow(report: Report) -> str:
    return _lines([words for each in report.answers if (words := _flow_of(report, each))])


def _flow_of(report: Report, of: Answered) -> str:
    parts = [
        f"{words} {what}"
        for count, what in ((of.asked, "asked"), (of.answered, "answered"), (of.failed, "failed"))
        if (words := told(count))
    ]
    return f"{name_of(report, of.experiment)} over {of.cohort}: {', '.join(parts)}" if parts else ""


def _missing(report: Report) -> str:
    found = []
    for each in report.cohorts:
        if each.extracted_at and (blank := told(each.blank)):
            found.append(f"{each.name}: {blank} notes without text, not asked")
    for of in report.answers:
        reasons = [f"{words} ({e.name})" for e in of.failed_by if (words := told(e.count))]
        what = listed(reasons) or "none"
        found.append(f"{name_of(report, of.experiment)} over {of.cohort}: no valid answer: {what}")
    return _lines(found)


def _preprocessing(report: Report) -> str:
    return (
        "Texts are sent as they are; only the model's own control tokens in them are broken up. "
        "Notes with equal texts are asked once."
        if report.answers
        else ""
    )


def _output(report: Report) -> str:
    return (
        "JSON held to a schema while it is generated, then validated; kept as validated, nothing "
        "is changed, filled in or guessed."
        if report.experiments
        else ""
    )


def _metrics(report: Report) -> str:
    found = []
    for each in report.evaluations:
        alike = "patients" if each.clustered_by == "patient" else "texts"
        found.append(
            f"{each.name}: accuracy, sensitivity, specificity, PPV, NPV, F1, Cohen's kappa and "
            f"Gwet's AC1 with {each.level:.0%} intervals, {alike} resampled"
        )
    found += [f"{each.name}: cohort's figures from a weighted sample" for each in report.audits]
    return _lines(found)


def _performance(report: Report) -> str:
    return "In the evaluation of this report." if report.evaluations or report.audits else ""


def _compared(report: Report) -> str:
    return _lines([f"{c.name}: {c.first.name} against {c.second.name}" for c in report.comparisons])


def _readers(report: Report) -> str:
    return _lines(
        [f"{each.name}: {each.readers} readers, blinded to the model" for each in report.audits]
    )


def _prompts(report: Report) -> str:
    return "Word for word in this report." if report.experiments else ""


def _structure(report: Report) -> str:
    return (
        "Each note is a request of its own: system prompt, user prompt, note; no memory between "
        "requests."
        if report.experiments
        else ""
    )


def _prompt_data(report: Report) -> str:
    found = []
    for each in report.evaluations:
        for of in each.experiments:
            if of.pilot_notes != exactly(0) and (notes := told(of.pilot_notes)):
                found.append(f"{of.name}: {notes} notes of {each.name} were asked by a pilot")
            elif of.pilots:
                found.append(f"{of.name}: no note of {each.name} was asked by a pilot")
    return _lines(found)


def _independence(report: Report) -> str:
    found = [*_nonempty(_prompt_data(report))]
    for each in report.evaluations:
        if each.headline == "test":
            found.append(f"{each.name}: figures are of the test split")
        found += [
            f"{each.name}: {of.name} had {len(of.earlier)} earlier versions evaluated on it"
            for of in each.experiments
            if of.earlier
        ]
    return _lines(found)


def _stochasticity(report: Report) -> str:
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


def _compute(report: Report) -> str:
    found = []
    for of in report.answers:
        took = of.computing
        if took.job_hours:
            gpus = f" on {listed(sorted(took.gpus))}" if took.gpus else ""
            rate = f", {took.notes_per_s:g} notes/s" if took.notes_per_s else ""
            hours = f"{took.job_hours:.3g} hours of {took.jobs} jobs{gpus}{rate}"
            found.append(f"{name_of(report, of.experiment)} over {of.cohort}: {hours}")
    return _lines(found)


def _code(report: Report) -> str:
    return f"notemill {report.notemill}; tasks and configuration are yours to share."


def _subgroups(report: Report) -> str:
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


_ITEMS = [
    _Item(MI_CLEAR, "", "Identification and specifications of the LLM used: name, version, "
          "manufacturer, date of the query attempts, training data cutoff, access to web-based "
          "information", _models_and_dates,
          "manufacturer and training data cutoff; it had no access to the web"),
    _Item(MI_CLEAR, "", "Stochasticity handling", _stochasticity, ""),
    _Item(MI_CLEAR, "", "Prompt wording and syntax: the exact text", _prompts, ""),
    _Item(MI_CLEAR, "", "Prompt structuring: how prompts were put to the LLM", _structure, ""),
    _Item(MI_CLEAR, "", "Prompt testing and optimization: steps and the rationale for the wording",
          _compared, "how the wording was found, and why these words"),
    _Item(MI_CLEAR, "", "Independence of the test data", _independence,
          "whether the model may have been trained on these notes"),
    _Item(TRIPOD, "Title and abstract", "Study identified as developing, fine-tuning and/or "
          "evaluating an LLM; task, target population, outcome", _nothing, "title and abstract"),
    _Item(TRIPOD, "Introduction", "Healthcare context, use case and rationale", _nothing,
          "context and rationale"),
    _Item(TRIPOD, "Introduction", "Target population and intended use of the LLM", _nothing,
          "population and use"),
    _Item(TRIPOD, "Introduction", "Study objectives", _nothing, "objectives"),
    _Item(TRIPOD, "Methods: data", "Sources of data and the rationale for using them", _data,
          "rationale, and what the query means"),
    _Item(TRIPOD, "Methods: data", "Data points and their distribution", _flow,
          "characteristics of the patients"),
    _Item(TRIPOD, "Methods: data", "Date of the oldest and newest item of text", _nothing,
          "dates of the notes, unless an identifier is a date"),
    _Item(TRIPOD, "Methods: data", "Data pre-processing and quality checking", _preprocessing,
          "what was done before the notes were in the database"),
    _Item(TRIPOD, "Methods: data", "How missing and imbalanced data were handled", _missing, ""),
    _Item(TRIPOD, "Methods: analytical methods", "LLM name, version, and last date of use during "
          "inference", _models_and_dates, ""),
    _Item(TRIPOD, "Methods: analytical methods", "LLM architecture, prompt engineering, inference "
          "settings (seed, temperature, max token length)", _architecture, ""),
    _Item(TRIPOD, "Methods: analytical methods", "Initial and post-processed output of the LLM",
          _output, ""),
    _Item(TRIPOD, "Methods: analytical methods", "Classification: how probabilities and thresholds "
          "were determined", _nothing, "nothing, where the classes are the model's own words"),
    _Item(TRIPOD, "Methods: LLM output", "Outcome, how predictions were calculated, evaluation "
          "metrics", _metrics, "the outcome's definition"),
    _Item(TRIPOD, "Methods: LLM output", "Assessors: qualifications, instructions, agreement",
          _readers, "who they were and what they were told"),
    _Item(TRIPOD, "Methods: LLM output", "Comparison with other LLMs, humans, benchmarks",
          _compared, "comparisons made elsewhere"),
    _Item(TRIPOD, "Methods: annotation", "How text was labeled; annotation guidelines", _nothing,
          "guidelines with examples"),
    _Item(TRIPOD, "Methods: annotation", "How many annotators; share annotated by more than one",
          _readers, "of reference labels made elsewhere"),
    _Item(TRIPOD, "Methods: annotation", "Background of annotators, inter-annotator agreement",
          _nothing, "their background; agreement in an audit is in this report"),
    _Item(TRIPOD, "Methods: prompting", "Prompt design, curation and selection", _prompts,
          "how the prompts came about"),
    _Item(TRIPOD, "Methods: prompting", "Data used to develop the prompts", _prompt_data,
          "notes that were looked at by other ways"),
    _Item(TRIPOD, "Methods: compute", "Compute, or proxies thereof", _compute, ""),
    _Item(TRIPOD, "Methods: ethics approval", "Ethics committee and informed consent or waiver",
          _nothing, "approval"),
    _Item(TRIPOD, "Methods: open science", "Funding; conflicts of interest", _nothing, "both"),
    _Item(TRIPOD, "Methods: open science", "Protocol and registration", _nothing, "both"),
    _Item(TRIPOD, "Methods: open science", "Availability of the study data", _nothing,
          "availability"),
    _Item(TRIPOD, "Methods: open science", "Availability of the code", _code, ""),
    _Item(TRIPOD, "Methods: public involvement", "Patient and public involvement", _nothing,
          "involvement"),
    _Item(TRIPOD, "Results: participants", "Flow of text through the study, with and without the "
          "outcome", _flow, "flow of patients"),
    _Item(TRIPOD, "Results: participants", "Characteristics overall, by setting and by split",
          _subgroups, "characteristics"),
    _Item(TRIPOD, "Results: performance", "LLM performance by pre-specified metrics and/or human "
          "evaluation", _performance, "which metrics were specified before"),
    _Item(TRIPOD, "Discussion", "Interpretation, limitations, usability in context", _nothing,
          "the discussion"),
]  # fmt: skip

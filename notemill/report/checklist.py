"""The items of two reporting guidelines, by their words, each with what the run says to it.

TRIPOD-LLM: Gallifant et al., Nat Med 2025;31:60-69, doi:10.1038/s41591-024-03425-5.
MI-CLEAR-LLM: Park et al., Korean J Radiol 2024, PMC11444851; the six items.
Items are named by their words, shortened; numbers in circulation differ. Items of training, tuning
and clinical use that no run of notemill can have are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from notemill.report import filled
from notemill.report.record import ChecklistItem, Report

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


_ITEMS = [
    _Item(MI_CLEAR, "", "Identification and specifications of the LLM used: name, version, "
          "manufacturer, date of the query attempts, training data cutoff, access to web-based "
          "information", filled.models_and_dates,
          "manufacturer and training data cutoff; it had no access to the web"),
    _Item(MI_CLEAR, "", "Stochasticity handling", filled.stochasticity, ""),
    _Item(MI_CLEAR, "", "Prompt wording and syntax: the exact text", filled.prompts, ""),
    _Item(MI_CLEAR, "", "Prompt structuring: how prompts were put to the LLM",
          filled.structure, ""),
    _Item(MI_CLEAR, "", "Prompt testing and optimization: steps and the rationale for the wording",
          filled.compared, "how the wording was found, and why these words"),
    _Item(MI_CLEAR, "", "Independence of the test data", filled.independence,
          "whether the model may have been trained on these notes"),
    _Item(TRIPOD, "Title and abstract", "Study identified as developing, fine-tuning and/or "
          "evaluating an LLM; task, target population, outcome",
          filled.nothing, "title and abstract"),
    _Item(TRIPOD, "Introduction", "Healthcare context, use case and rationale", filled.nothing,
          "context and rationale"),
    _Item(TRIPOD, "Introduction", "Target population and intended use of the LLM", filled.nothing,
          "population and use"),
    _Item(TRIPOD, "Introduction", "Study objectives", filled.nothing, "objectives"),
    _Item(TRIPOD, "Methods: data", "Sources of data and the rationale for using them", filled.data,
          "rationale, and what the query means"),
    _Item(TRIPOD, "Methods: data", "Data points and their distribution", filled.flow,
          "characteristics of the patients"),
    _Item(TRIPOD, "Methods: data", "Date of the oldest and newest item of text", filled.nothing,
          "dates of the notes, unless an identifier is a date"),
    _Item(TRIPOD, "Methods: data", "Data pre-processing and quality checking", filled.preprocessing,
          "what was done before the notes were in the database"),
    _Item(TRIPOD, "Methods: data", "How missing and imbalanced data were handled",
          filled.missing, ""),
    _Item(TRIPOD, "Methods: analytical methods", "LLM name, version, and last date of use during "
          "inference", filled.models_and_dates, ""),
    _Item(TRIPOD, "Methods: analytical methods", "LLM architecture, prompt engineering, inference "
          "settings (seed, temperature, max token length)", filled.architecture, ""),
    _Item(TRIPOD, "Methods: analytical methods", "Initial and post-processed output of the LLM",
          filled.output, ""),
    _Item(TRIPOD, "Methods: analytical methods", "Classification: how probabilities and thresholds "
          "were determined",
          filled.nothing, "nothing, where the classes are the model's own words"),
    _Item(TRIPOD, "Methods: LLM output", "Outcome, how predictions were calculated, evaluation "
          "metrics", filled.metrics, "the outcome's definition"),
    _Item(TRIPOD, "Methods: LLM output", "Assessors: qualifications, instructions, agreement",
          filled.readers, "who they were and what they were told"),
    _Item(TRIPOD, "Methods: LLM output", "Comparison with other LLMs, humans, benchmarks",
          filled.compared, "comparisons made elsewhere"),
    _Item(TRIPOD, "Methods: annotation", "How text was labeled; annotation guidelines",
          filled.nothing,
          "guidelines with examples"),
    _Item(TRIPOD, "Methods: annotation", "How many annotators; share annotated by more than one",
          filled.readers, "of reference labels made elsewhere"),
    _Item(TRIPOD, "Methods: annotation", "Background of annotators, inter-annotator agreement",
          filled.nothing, "their background; agreement in an audit is in this report"),
    _Item(TRIPOD, "Methods: prompting", "Prompt design, curation and selection", filled.prompts,
          "how the prompts came about"),
    _Item(TRIPOD, "Methods: prompting", "Data used to develop the prompts", filled.prompt_data,
          "notes that were looked at by other ways"),
    _Item(TRIPOD, "Methods: compute", "Compute, or proxies thereof", filled.compute, ""),
    _Item(TRIPOD, "Methods: ethics approval", "Ethics committee and informed consent or waiver",
          filled.nothing, "approval"),
    _Item(TRIPOD, "Methods: open science", "Funding; conflicts of interest",
          filled.nothing, "both"),
    _Item(TRIPOD, "Methods: open science", "Protocol and registration", filled.nothing, "both"),
    _Item(TRIPOD, "Methods: open science", "Availability of the study data", filled.nothing,
          "availability"),
    _Item(TRIPOD, "Methods: open science", "Availability of the code", filled.code, ""),
    _Item(TRIPOD, "Methods: public involvement", "Patient and public involvement", filled.nothing,
          "involvement"),
    _Item(TRIPOD, "Results: participants", "Flow of text through the study, with and without the "
          "outcome", filled.flow, "flow of patients"),
    _Item(TRIPOD, "Results: participants", "Characteristics overall, by setting and by split",
          filled.subgroups, "characteristics"),
    _Item(TRIPOD, "Results: performance", "LLM performance by pre-specified metrics and/or human "
          "evaluation", filled.performance, "which metrics were specified before"),
    _Item(TRIPOD, "Discussion", "Interpretation, limitations, usability in context", filled.nothing,
          "the discussion"),
]  # fmt: skip

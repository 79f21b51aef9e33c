"""What was asked, word for word, and of which model."""

from __future__ import annotations

from collections.abc import Iterator

from notemill.report.blocks import Block, Facts, Heading, Section, Words
from notemill.report.record import ExperimentAsked, Report

_OPENED = 3
"""With more experiments their prompts are folded."""


def asked_section(report: Report) -> Section:
    """Prompts, schema, options and model of each experiment."""
    opened = len(report.experiments) <= _OPENED
    blocks = [block for each in report.experiments for block in _experiment(each, opened)]
    return Section("What was asked", blocks)


def _experiment(asked: ExperimentAsked, opened: bool) -> Iterator[Block]:
    model = asked.model
    yield Heading(f"Experiment {asked.name}")
    yield Facts(
        [
            ("experiment", asked.experiment),
            ("over", ", ".join(asked.cohorts)),
            ("task", asked.task),
            ("model", model.name),
            *sorted(model.details.items()),
            ("engine", ", ".join(asked.engines) or asked.engine_kind),
            *_digests(asked),
            ("options", ", ".join(f"{name} {value}" for name, value in asked.options.items())),
        ]
    )
    yield Words("system prompt", asked.system_prompt, opened)
    yield Words("user prompt", asked.user_prompt, opened)
    yield Words("schema of the answer (Python)", asked.schema_source)
    yield Words("schema of the answer (JSON), as the engine was held to it", asked.json_schema)


def _digests(asked: ExperimentAsked) -> list[tuple[str, str]]:
    model = asked.model
    if model.weights_sha256 and model.weights_sha256 != model.digest:
        return [("digest", model.digest), ("sha256 of the weights", model.weights_sha256)]
    return [("digest", model.digest or "not known")]

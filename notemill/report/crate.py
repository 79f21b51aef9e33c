"""The run as an RO-Crate: ro-crate-metadata.json, by the profile Process Run Crate 0.5.

https://www.researchobject.org/workflow-run-crate/profiles/process_run_crate. Made of nothing but
the report, so it tells no more than that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from notemill.report.record import Answered, ExperimentAsked, Report

Entity = dict[str, Any]
NAME = "ro-crate-metadata.json"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_CRATE = "https://w3id.org/ro/crate/1.1"


def crate(report: Report, page: str = "report.html") -> str:
    """The file's text. Beside it lie the page, of this name, and report.json."""
    entities = [*_entities(report, page)]
    graph = {
        "@context": [f"{_CRATE}/context", "https://w3id.org/ro/terms/workflow-run/context"],
        "@graph": entities,
    }
    return json.dumps(graph, indent=2, ensure_ascii=False) + "\n"


def _entities(report: Report, page: str) -> Iterator[Entity]:
    actions = [*_actions(report, page)]
    yield {
        "@id": NAME,
        "@type": "CreativeWork",
        "conformsTo": _to(_CRATE),
        "about": _to("./"),
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": _to(_PROFILE),
        "name": report.title,
        "description": "The report of a run of notemill: what was asked of which model on which "
        "notes, and what came of it. No note is in it.",
        "datePublished": report.made_at,
        "license": _to("#license"),
        "hasPart": [_to(page), _to("report.json")],
        "mentions": [_to(each["@id"]) for each in actions],
    }
    yield {
        "@id": "#license",
        "@type": "CreativeWork",
        "name": "not stated",
        "description": "The run does not know under which license its report is given.",
    }
    yield {
        "@id": _PROFILE,
        "@type": "CreativeWork",
        "name": "Process Run Crate",
        "version": "0.5",
    }
    yield _file(page, "The report as a page", "text/html")
    yield _file("report.json", "The report as data", "application/json")
    yield {
        "@id": "#notemill",
        "@type": "SoftwareApplication",
        "name": "notemill",
        "softwareVersion": report.notemill,
        "softwareRequirements": [f"{name} {version}" for name, version in report.libraries.items()],
    }
    for cohort in report.cohorts:
        yield {
            "@id": f"#cohort-{cohort.name}",
            "@type": "CreativeWork",
            "name": f"cohort {cohort.name}",
            "description": "Clinical notes, not part of this crate. "
            f"{cohort.source.capitalize()}: {cohort.query.removeprefix('files: ')}",
            "dateCreated": cohort.extracted_at,
            "identifier": cohort.digest,
        }
    for experiment in report.experiments:
        yield from _asked(experiment)
    yield from actions


def _asked(of: ExperimentAsked) -> Iterator[Entity]:
    settings = [f"#{of.experiment}-{name}" for name in of.options]
    yield {
        "@id": f"#model-{of.experiment}",
        "@type": "SoftwareApplication",
        "name": of.model.name,
        "softwareVersion": of.model.digest or "not known",
        "description": ", ".join(f"{name}: {told}" for name, told in of.model.details.items()),
    }
    yield {
        "@id": f"#prompts-{of.experiment}",
        "@type": "CreativeWork",
        "name": f"prompts and schema of {of.name}",
        "text": f"{of.system_prompt}\n\n{of.user_prompt}\n\n{of.json_schema}",
    }
    for place, (name, value) in zip(settings, of.options.items(), strict=True):
        yield {"@id": place, "@type": "PropertyValue", "name": name, "value": value}


def _actions(report: Report, page: str) -> Iterator[Entity]:
    asked = {each.experiment: each for each in report.experiments}
    for of in report.answers:
        if of.shards_done:
            yield _action(of, asked[of.experiment], page)


def _action(of: Answered, asked: ExperimentAsked, page: str) -> Entity:
    done = of.shards_done == of.shards
    entity: Entity = {
        "@id": f"#answers-{of.cohort}-{of.experiment}",
        "@type": "CreateAction",
        "name": f"{asked.name} asked over {of.cohort}",
        "instrument": _to("#notemill"),
        "object": [
            _to(f"#cohort-{of.cohort}"),
            _to(f"#model-{of.experiment}"),
            _to(f"#prompts-{of.experiment}"),
            *(_to(f"#{of.experiment}-{name}") for name in asked.options),
        ],
        "result": [_to(page), _to("report.json")],
        "actionStatus": _to(f"http://schema.org/{'Completed' if done else 'Active'}ActionStatus"),
    }
    if of.computing.first_answer_at:
        entity["startTime"] = of.computing.first_answer_at
    if done and of.computing.last_answer_at:
        entity["endTime"] = of.computing.last_answer_at
    return entity


def _file(name: str, told: str, kind: str) -> Entity:
    return {"@id": name, "@type": "File", "name": told, "encodingFormat": kind}


def _to(place: str) -> Entity:
    return {"@id": place}

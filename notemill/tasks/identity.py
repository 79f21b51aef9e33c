"""What makes an experiment the same experiment: a fingerprint of all that can change an answer."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from notemill.config import Engine, Experiment
from notemill.tasks.gates import gate_identity
from notemill.tasks.note_first import LAYOUT
from notemill.tasks.sentences import SPLITTING
from notemill.tasks.task import Task

ASKING = 2
"""Raise it when notemill itself comes to ask or to accept differently."""


def fingerprint(experiment: Experiment, engine: Engine, task: Task) -> str:
    """12 hex digits over prompts, every file of the task, the JSON schema, options, model, pinned
    digest, tries, engine kind and the precision of its context; how sentences are numbered if they
    are; the gate if there is one; the layout of the prompts if the note comes first.

    Paths, ports, slots, threads, tables, line endings, which field is the evidence and what a
    settled note is taken for leave it as it is.
    """
    identity: dict[str, Any] = {
        "asking": ASKING,
        "system_prompt": task.system_prompt,
        "user_prompt": task.user_prompt,
        "schema": task.schema_source,
        "files": task.files,
        "json_schema": _without_order(task.json_schema),
        "options": experiment.options.model_dump(mode="json"),
        "attempts": experiment.attempts,
        **engine.identity,
        "model": experiment.model,
        "digest": experiment.digest,
    }
    if task.evidence and task.evidence.numbered:
        identity["numbered_sentences"] = SPLITTING
    if told := gate_identity(task):
        identity["gate"] = told
    if task.note_first:
        identity["note_first"] = LAYOUT
    canonical = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _without_order(schema: Any) -> Any:
    """The schema with the choices of each enum sorted: made from a set, they come in another order
    in each process and allow the same answers. The fields' order stands in `required`."""
    if isinstance(schema, list):
        return [_without_order(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: sorted(value, key=repr)
        if key == "enum" and isinstance(value, list)
        else _without_order(value)
        for key, value in schema.items()
    }

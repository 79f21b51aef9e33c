"""What makes an experiment the same experiment: a fingerprint of all that can change an answer."""

from __future__ import annotations

import hashlib
import json

from notemill.config import Engine, Experiment, OllamaEngine
from notemill.tasks import Task

ASKING = 1
"""Raise it when notemill itself comes to ask or to accept differently."""


def fingerprint(experiment: Experiment, engine: Engine, task: Task) -> str:
    """12 hex digits over prompts, schema, options, model, pinned digest, tries, engine kind and
    the precision of its context.

    Paths, ports, slots, threads and tables leave it as it is.
    """
    identity = {
        "asking": ASKING,
        "system_prompt": task.system_prompt,
        "user_prompt": task.user_prompt,
        "schema": task.schema_source,
        "options": experiment.options.model_dump(mode="json"),
        "attempts": experiment.attempts,
        "engine": engine.kind,
        "kv_cache_type": engine.kv_cache_type if isinstance(engine, OllamaEngine) else None,
        "model": experiment.model,
        "digest": experiment.digest,
    }
    canonical = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]

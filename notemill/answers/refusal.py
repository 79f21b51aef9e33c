"""An engine's refusal that no retry can mend, kept for the other jobs of the same plan.

A plan is one invocation of snakemake: the Snakefile gives it a random name in an environment
variable that its jobs inherit. Another invocation tries again, so a program, a model store or a
node that was mended in place is seen; so does a job whose engine section or model is another one.
Without the variable (a job started by hand) nothing is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from notemill.config import Engine
from notemill.errors import EngineRefused, NotemillError
from notemill.files import Record
from notemill.logs import log

PLAN_VARIABLE = "NOTEMILL_PLAN"


class _Refusal(Record):
    """What was said, and what it depends on beside the experiment, which is in the path."""

    plan: str
    engine: str
    model_digest: str
    what: str
    where: str | None
    remedy: str


@contextmanager
def told_once(path: Path, engine: Engine, model_digest: str) -> Iterator[None]:
    """Around the start of an engine: raises what an earlier job of this plan was told.

    path: the experiment's own file for it. A refusal that comes is kept there, and goes on.
    """
    plan = os.environ.get(PLAN_VARIABLE, "")
    depends = {"plan": plan, "engine": engine.model_dump_json(), "model_digest": model_digest}
    told = _read(path)
    if plan and told and depends == told.model_dump(include=set(depends)):
        log.info("no engine is started: it refused an earlier job of this run of snakemake")
        raise EngineRefused(told.what, where=told.where, remedy=told.remedy)
    try:
        yield
    except EngineRefused as refusal:
        if plan:
            said = {"what": refusal.what, "where": refusal.where, "remedy": refusal.remedy}
            with suppress(NotemillError):  # a full disk: what was refused is what is told
                _Refusal(**depends, **said).write(path)
        raise
    path.unlink(missing_ok=True)


def _read(path: Path) -> _Refusal | None:
    try:
        return _Refusal.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None

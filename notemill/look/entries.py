"""What a page shows: some asked texts, how each ended, and what asked them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from notemill.answers.outcome import Outcome
from notemill.tasks.evidence import Evidence
from notemill.tasks.gate import WHOLE, Gated
from notemill.tasks.run import Run

LONGEST_SHOWN = 100_000
"""Characters of a text; what lies behind them is neither shown nor searched for evidence."""


@dataclass(frozen=True)
class Entry:
    """An asked text with how it ended.

    text: its first LONGEST_SHOWN characters at least; characters: of all of it. ids: those of the
    first notes that say it, values in the order of `About.id_columns`; notes: how many say it, 0
    where that was not looked up. why: why it is here, if not as one of a random sample. gated: what
    the task's gate did with it.
    """

    text_sha256: str
    text: str
    characters: int
    outcome: Outcome
    ids: tuple[tuple[Any, ...], ...] = ()
    notes: int = 0
    why: str = ""
    gated: Gated = WHOLE


@dataclass(frozen=True)
class About:
    """Where a page's entries come from.

    which: in a sentence or some, how they were chosen. The prompts, options and JSON schema are
    None where they are not known: of an experiment of another day. evidence: as the task says now.
    gated: whether the task has a gate.
    """

    cohort: str
    experiment: str
    model: str
    model_digest: str
    which: str
    id_columns: tuple[str, ...] = ()
    system_prompt: str | None = None
    user_prompt: str | None = None
    options: dict[str, Any] | None = None
    json_schema: dict[str, Any] | None = None
    evidence: Evidence | None = None
    gated: bool = False


def about_run(
    run: Run, cohort: str, model_digest: str, which: str, *, id_columns: tuple[str, ...] = ()
) -> About:
    """What a run's page says of itself."""
    return About(
        cohort=cohort,
        experiment=run.experiment_id,
        model=run.experiment.model,
        model_digest=model_digest,
        which=which,
        id_columns=id_columns,
        system_prompt=run.task.system_prompt,
        user_prompt=run.task.user_prompt,
        options=run.experiment.options.as_sent() | {"attempts": run.experiment.attempts},
        json_schema=run.task.json_schema,
        evidence=run.task.evidence,
        gated=run.task.gate is not None,
    )

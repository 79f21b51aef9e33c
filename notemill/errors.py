"""The one kind of error that a user is meant to read."""

from __future__ import annotations

import os

DEBUG_SWITCH = "NOTEMILL_DEBUG"
"""Environment variable: any value but the empty one shows tracebacks beside the messages."""


class NotemillError(Exception):
    """Something that the user, the site or the data must change before the work can go on.

    what: the thing that is wrong and how; never note text, an answer or a secret.
    remedy: what to do about it, as an instruction.
    where: the file, configuration key, table or host that it concerns.
    """

    def __init__(self, what: str, *, remedy: str, where: str | None = None) -> None:
        super().__init__(what, remedy, where)
        self.what = what
        self.remedy = remedy
        self.where = where

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        lines.append(f"  what to do: {self.remedy}")
        return "\n".join(lines)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in the place of a traceback; IPython asks for it by this name."""
        if os.environ.get(DEBUG_SWITCH):
            raise NotImplementedError  # then it shows the traceback
        return [str(self), *getattr(self, "__notes__", [])]


class EngineRefused(NotemillError):
    """The engine or its model is not as it must be, which no retry of any shard can mend.

    A version that is refused, a model that is missing, weights that are damaged: the same for
    every shard of the experiment, so one job that meets it speaks for all of the same plan.
    """

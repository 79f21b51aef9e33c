"""How many failed texts a job goes on with (max_failed_share)."""

from __future__ import annotations

import math

from notemill.errors import NotemillError


def allowed_failures(share: float, texts: int) -> int:
    """Failed texts that a job may end with: the share of its texts, one at least unless it is 0."""
    # Rounded first: 0.29 of 100 are 29, not the 28.999999999999996 of the multiplication.
    return max(1, math.floor(round(share * texts, 6))) if share else 0


def refuse_more_failures(failed: int, texts: int, allowed: float) -> None:
    """Raise NotemillError when more of the texts have failed than is allowed."""
    if failed > allowed:
        raise NotemillError(
            f"{failed} of {texts} texts have no valid answer, "
            "more than max_failed_share allows; answers so far are kept in the journal",
            where="this log's lines above give the reasons",
            remedy="correct the prompt, the schema, num_ctx or num_predict; or, if failures "
            "are to be expected, raise max_failed_share of the experiment",
        )

"""When a pilot's failures say that no shard can end well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import exp, lgamma, log, log1p
from pathlib import Path

from notemill.answers.outcome import Outcome
from notemill.answers.verdict import Status
from notemill.errors import NotemillError

_BY_CHANCE = 0.01
"""Less likely than this, failures are no accident of the texts that were drawn."""


class Hopeless(NotemillError):
    """So many of the pilot's texts failed that each shard's job would end with an error."""


def refuse_hopeless(outcomes: Iterable[Outcome], share: float, page: Path) -> None:
    """Raise Hopeless when more texts fail than chance explains if `share` of all would.

    outcomes: of a random sample. share: max_failed_share, with which each shard's job fails; one
    failed text it always allows, but where it is 0. page: where they can be read.
    """
    statuses = Counter(outcome.status for outcome in outcomes)
    asked = statuses.total()
    answered = statuses.pop(Status.ANSWERED, 0)
    failed = asked - answered
    if failed <= bool(share) or at_least(failed, asked, share) >= _BY_CHANCE:
        return
    reasons = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    raise Hopeless(
        f"{failed} of the pilot's {asked} texts have no valid answer ({reasons}), more than "
        f"max_failed_share ({share:g}) allows: each shard would fail",
        where=f"{page} has them beside their reasons",
        remedy="read some of them, then correct the prompt, the schema, num_ctx or num_predict; "
        "or, if so many failures are to be expected, raise max_failed_share of the experiment",
    )


def at_least(failed: int, of: int, share: float) -> float:
    """How likely `failed` or more of so many texts are, if each fails with this probability."""
    if failed <= 0 or share >= 1:
        return 1.0
    if share <= 0:
        return 0.0
    ways = lgamma(of + 1)
    return sum(
        exp(
            ways
            - lgamma(count + 1)
            - lgamma(of - count + 1)
            + count * log(share)
            + (of - count) * log1p(-share)
        )
        for count in range(failed, of + 1)
    )

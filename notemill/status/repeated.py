"""How a repeat goes: its texts are none of the run's, so they are told apart from all others."""

from __future__ import annotations

from dataclasses import dataclass

from notemill.answers.live import State
from notemill.comparison.repeat_settings import SHARD, made_with, settings_of
from notemill.errors import NotemillError
from notemill.paths import Layout, live
from notemill.status.reading import Reading, Seen, is_there
from notemill.status.report import ShardState
from notemill.status.shards import Shard, Whose, state_of
from notemill.tasks.run import Run


@dataclass(frozen=True)
class RepeatSeen:
    """state: `off`, or a state as a shard's. seconds: that its last job took."""

    state: str
    seen: Seen | None

    @property
    def seconds(self) -> float:
        return self.seen.live.spent.seconds if self.seen else 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is to come."""
        return self.state in ("off", ShardState.DONE)

    def as_shard(self) -> Shard | None:
        """What there is to say of its job, None if there is nothing."""
        if self.seen is None or self.is_over or self.state == ShardState.WAITING:
            return None
        known = self.seen.live
        return Shard(
            SHARD, ShardState(self.state), known.texts, answered=known.answered, seen=self.seen
        )


def repeat_seen(layout: Layout, run: Run, cohort: str, reading: Reading, now: float) -> RepeatSeen:
    """How the repeat of a run over a cohort stands. now: by the file server's clock."""
    if not run.experiment.repeat.notes:
        return RepeatSeen("off", None)
    path = layout.repeat(cohort, run.experiment_id)
    seen = reading.live([live(path)]).get(live(path))
    if seen and not Whose(cohort, run.experiment_id).has(seen.live, SHARD):
        seen = None
    if seen and seen.live.state in (State.STARTING, State.ASKING):
        return RepeatSeen(state_of(seen, now).value, seen)
    try:
        if made_with(path) == settings_of(run):
            return RepeatSeen(ShardState.DONE.value, seen)
    except (OSError, NotemillError):
        reading.unreadable += is_there(path)
    return RepeatSeen((state_of(seen, now) if seen else ShardState.WAITING).value, seen)

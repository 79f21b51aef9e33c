"""How each shard of one experiment over one cohort stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from notemill.answers.live import Failure, Live, State
from notemill.errors import NotemillError
from notemill.notes.manifest import ShardEntry
from notemill.paths import journal, live
from notemill.status.reading import Reading, Seen, is_there
from notemill.status.report import SILENT_AFTER_S, ShardState

_AT_WORK = {State.STARTING, State.ASKING}


@dataclass(frozen=True)
class Shard:
    """A shard; answered, failed and settled (by the task's gate) are within its texts.

    texts: None before extract. seen: its live file, if that is of these notes. finished: when its
    result shard was written (epoch). seconds, tokens: of all its jobs; asked: texts. problem: why
    its result can't be used. uncounted: it has a journal, and nothing says what is in it.
    """

    name: str
    state: ShardState
    texts: int | None
    answered: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    settled: int = 0
    seconds: float = 0.0
    tokens: int = 0
    seen: Seen | None = None
    finished: float | None = None
    problem: Failure | None = None
    uncounted: bool = False

    @property
    def live(self) -> Live | None:
        """Its live file."""
        return self.seen.live if self.seen else None


@dataclass(frozen=True)
class Whose:
    """Whose shards: what a live file and a result shard must say to count."""

    cohort: str
    experiment: str

    def has(self, live: Live, name: str) -> bool:
        """Whether it is the live file of this shard of theirs."""
        return (live.cohort, live.experiment, live.shard) == (self.cohort, self.experiment, name)


def shard_states(
    answers: dict[str, Path],
    names: set[str],
    entries: dict[str, ShardEntry],
    whose: Whose,
    reading: Reading,
    now: float,
) -> list[Shard]:
    """Each shard's state.

    answers: paths of the result shards by shard; names: of all files in their folder; entries: of
    the manifest, by shard, empty before extract; now: by the file server's clock.
    """
    live_paths = {name: live(path) for name, path in answers.items()}
    lives = reading.live(path for path in live_paths.values() if path.name in names)
    shards = []
    for name, path in answers.items():
        seen = lives.get(live_paths[name])
        if seen and not whose.has(seen.live, name):
            reading.unreadable += 1
            seen = None
        entry = entries.get(name)
        if seen and entry and not _of_these_notes(seen.live, entry):
            seen = None  # of a cohort that was given up since
        if path.name in names:
            shards.append(_finished(path, name, seen, entry, whose, reading))
        else:
            uncounted = seen is None and journal(path).name in names
            shards.append(_unfinished(name, seen, entry, uncounted, now))
    return shards


def silent_for(seen: Seen, now: float) -> float:
    """Seconds since a job's last sign of life."""
    return max(now - seen.renewed, 0.0)


def state_of(seen: Seen, now: float) -> ShardState:
    """How a job stands that has left no result."""
    if seen.live.state in _AT_WORK:
        silent = silent_for(seen, now) > SILENT_AFTER_S
        return ShardState.SILENT if silent else ShardState.RUNNING
    if seen.live.state is State.DONE:  # its result was removed, its journal has the answers
        return ShardState.WAITING
    return ShardState(seen.live.state.value)


def _of_these_notes(live: Live, entry: ShardEntry) -> bool:
    digests = {live.notes_digest, entry.digest} - {""}
    return len(digests) == 1 and live.texts in (None, entry.texts)


def _unfinished(
    name: str, seen: Seen | None, entry: ShardEntry | None, uncounted: bool, now: float
) -> Shard:
    texts = entry.texts if entry else None
    if seen is None:
        return Shard(name, ShardState.WAITING, texts, uncounted=uncounted)
    state = state_of(seen, now)
    live = seen.live
    return Shard(
        name,
        state,
        texts,
        answered=live.answered if entry else 0,
        # A job that goes on asks again what failed in one that did not come to its end.
        failed=dict(live.failed) if entry and state is ShardState.RUNNING else {},
        settled=live.settled if entry else 0,
        seconds=live.spent.seconds,
        tokens=live.spent.tokens,
        seen=seen,
    )


def _finished(
    path: Path,
    name: str,
    seen: Seen | None,
    entry: ShardEntry | None,
    whose: Whose,
    reading: Reading,
) -> Shard:
    """A shard with a result: its live file's counts if that came to its end, else its own."""
    if seen and entry and seen.live.state is State.DONE:
        live = seen.live
        return Shard(
            name,
            ShardState.DONE,
            entry.texts,
            answered=live.answered,
            failed=dict(live.failed),
            settled=live.settled,
            seconds=live.spent.seconds,
            tokens=live.spent.tokens,
            seen=seen,
            finished=live.renewed_at.timestamp(),
        )
    if entry is None:
        return Shard(name, ShardState.WAITING, None)
    return _by_its_result(path, entry, whose, reading, seen)


def _by_its_result(
    path: Path, entry: ShardEntry, whose: Whose, reading: Reading, seen: Seen | None
) -> Shard:
    from notemill.answers.shard import REMEDY, read_failures, read_origin  # noqa: PLC0415 (pyarrow)

    try:
        origin = read_origin(path)
        if (origin.cohort, origin.experiment, origin.shard, origin.notes_digest) != (
            whose.cohort,
            whose.experiment,
            entry.name,
            entry.digest,
        ):
            raise NotemillError("it was made from other notes", where=str(path), remedy=REMEDY)
        failed = read_failures(path) if origin.failed else {}
        finished = path.stat().st_mtime
    except FileNotFoundError:
        return Shard(entry.name, ShardState.WAITING, entry.texts, seen=seen)
    except NotemillError as error:
        if not is_there(path):  # gone since its name was read
            return Shard(entry.name, ShardState.WAITING, entry.texts, seen=seen)
        failure = Failure(what=error.what, where=error.where, remedy=error.remedy)
        return Shard(entry.name, ShardState.FAILED, entry.texts, problem=failure, seen=seen)
    return Shard(
        entry.name,
        ShardState.DONE,
        entry.texts,
        answered=entry.texts - sum(failed.values()) - origin.settled,
        failed=failed,
        settled=origin.settled,
        seconds=origin.seconds,
        tokens=origin.tokens,
        seen=seen,
        finished=finished,
    )

"""A task's gate: settles a note before any model, or cuts it to what matters. See docs/gate.md.

Patterns in task.yaml, or the function `gate` of gate.py in the task's folder. What it does is a
function of the text and the task alone: the same in any job, and kept in no journal.
"""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from notemill.errors import NotemillError
from notemill.tasks.gate_patterns import Range

LONGEST_S = 10.0
"""Of one note. A pattern that needs more will need for ever."""
_RINGS = 10
"""Of the alarm, after which it is too long."""
LEFT_OUT = "\n[...]\n"
"""What is sent in the place of what is cut out between two parts."""
DID = ("not_relevant", "cut", "whole")
"""What a rule does with a note."""


@dataclass(frozen=True)
class Gated:
    """What the gate did with a text. rule: that did it, empty if none; parts: what is sent of the
    text, in its order: None for all, nothing where it is settled."""

    rule: str = ""
    parts: tuple[Range, ...] | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing is asked about it."""
        return self.parts == ()

    def share(self, characters: int) -> float:
        """The share of the text's characters that is sent: of a cut one neither 0 nor 1."""
        if not self.parts or not characters:
            return 0.0 if self.settled else 1.0
        share = sum(end - start for start, end in self.parts) / characters
        return min(max(round(share, 4), 0.0001), 0.9999)

    def sent(self, text: str) -> str:
        """What is sent of the text, LEFT_OUT where something of it is not."""
        if self.parts is None:
            return text
        return LEFT_OUT.join(text[start:end].strip("\r\n") for start, end in self.parts)

    def within(self, characters: int) -> Gated:
        """What it is of the text's first so many characters."""
        if self.parts is None:
            return self
        parts = ((start, min(end, characters)) for start, end in self.parts if start < characters)
        return Gated(self.rule, tuple(parts))

    def masked(self, text: str) -> str:
        """The text with a character that no words have in each place that is not sent."""
        if self.parts is None:
            return text
        masked, last = [], 0
        for start, end in self.parts:
            masked += ["\0" * (start - last), text[start:end]]
            last = end
        return "".join([*masked, "\0" * (len(text) - last)])


WHOLE = Gated()
Judged = tuple[str, Sequence[Range] | None]


def counted(gated: Iterable[Gated]) -> dict[str, dict[str, int]]:
    """Of each rule how many texts it settled (`not_relevant`), cut, and let through whole."""
    found: dict[str, dict[str, int]] = {}
    for each in gated:
        if each.rule:
            counts = found.setdefault(each.rule, dict.fromkeys(DID, 0))
            counts[DID[0] if each.settled else DID[1] if each.parts else DID[2]] += 1
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class Gate:
    """A task's gate, ready to use.

    rules: all that a row may name; place: the file that has it; judge: gives a text's rule and
    parts; parts: of a text that is asked, where that is known without the rule.
    """

    task: str
    place: Path
    rules: tuple[str, ...]
    judge: Callable[[str, Callable[[str], None]], Judged]
    parts: Callable[[str], Sequence[Range] | None] | None = None

    def asked(self, text: str) -> Gated:
        """What is sent of a text that is asked; may cost less than `gated`, and raises as that."""
        if self.parts is None:
            return self.gated(text)
        parts = self.parts(text)
        return WHOLE if parts is None else Gated("", tuple(parts))

    def gated(self, text: str) -> Gated:
        """What is done with a text that is not blank.

        Raises NotemillError for a gate that breaks or takes too long; it has no word of the text.
        """
        at = [""]

        def now_at(rule: str) -> None:
            at[0] = rule

        try:
            with _no_longer_than(LONGEST_S):
                rule, parts = self.judge(text, now_at)
        except TooLong:
            raise self.broken(
                text,
                f"takes more than {LONGEST_S:g} s for a note"
                + (f", in rule '{at[0]}'" if at[0] else ""),
                "a pattern with a repeat within a repeat, such as (a+)+ or (.*x)*, may take for "
                "ever: write it without; nothing in a gate may wait",
            ) from None
        if parts is None:
            return Gated(rule)
        return Gated(rule, tuple(parts))

    def broken(self, text: str, what: str, remedy: str) -> NotemillError:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return NotemillError(
            f"the gate of task '{self.task}' {what} (text {digest[:12]})",
            where=str(self.place),
            remedy=f"{remedy}. A changed gate makes a new experiment",
        )


class TooLong(BaseException):
    """Not an Exception, which a gate may catch."""


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Raise TooLong within it after so long, and again, should it be caught.

    In which the process was at work: a job that was stopped for an hour hears one ring of it. By
    SIGALRM, which Python's `re` heeds too; so only in the main thread, elsewhere not at all.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    rung, over = 0, False

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal rung
        rung += 1
        if rung >= _RINGS and not over:
            raise TooLong

    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds / _RINGS, seconds / _RINGS)
    try:
        yield
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)

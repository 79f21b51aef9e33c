"""What all servers of a job share: texts that are not begun, in flight and set aside."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from notemill.answers.asking import Asking
from notemill.answers.heard import Heard

MOST_SET_ASIDE = 100


class Text(NamedTuple):
    """A text, and who asks about it: one after another, on one engine, so that it keeps the text.

    text_sha256: in hex.
    """

    text_sha256: str
    text: str
    askings: tuple[Asking, ...]

    @property
    def apart(self) -> list[Text]:
        """The same for each asking alone, in their order."""
        return [self._replace(askings=(asking,)) for asking in self.askings]


@dataclass(eq=False)
class Aside:
    """A text that is set aside for one asking. Servers by their number.

    unheard: those that had no word for it though they talk; lost_alone: those that were lost while
    they were asked nothing else; lost_beside: the engine that was lost while it was asked
    others too.
    """

    text: Text
    lost_beside: Heard | None = None
    unheard: set[int] = field(default_factory=set)
    lost_alone: list[int] = field(default_factory=list)

    @property
    def met(self) -> set[int]:
        """Servers that are no witness for it any more."""
        return self.unheard | set(self.lost_alone)


class Queue:
    """One queue for all servers. living: their numbers, less those that were given up."""

    def __init__(self, texts: Iterator[Text], servers: int) -> None:
        self._texts = texts
        self._given_back: deque[Text] = deque()  # before those that are still to come
        self._exhausted = False
        self._aside: list[Aside] = []
        self._given_back_once: set[str] = set()
        self._open = 0
        self._bell = asyncio.Event()
        self.living = set(range(servers))

    @property
    def set_aside(self) -> int:
        """Texts that are set aside."""
        return len(self._aside)

    @property
    def ended(self) -> bool:
        """Whether every text has ended."""
        return self._exhausted and not (self._given_back or self._aside or self._open)

    def next(self) -> Text | None:
        """A text to begin, None if there is none now, or too many are set aside."""
        if len(self._aside) >= MOST_SET_ASIDE:
            return None
        text = self._given_back.popleft() if self._given_back else next(self._texts, None)
        if text is None:
            self._exhausted = True
            self._ring()
        else:
            self._open += 1
        return text

    def give_back(self, text: Text, *, first: bool = False) -> None:
        """A text that was taken, or what is left of it: not begun, so any server may begin it."""
        if text.askings:
            self._given_back.insert(0 if first else len(self._given_back), text)
        self.finish()
        self._ring()

    def give_back_lost(self, engine: Heard) -> None:
        """Texts that this engine was lost with, side by side, most likely not for their sake: any
        server may begin them. Each text is given back so but once."""
        back = [
            aside
            for aside in self._aside
            if aside.lost_beside is engine
            and not aside.met
            and aside.text.text_sha256 not in self._given_back_once
        ]
        self._aside = [aside for aside in self._aside if aside not in back]
        self._given_back.extend(aside.text for aside in back)
        self._given_back_once.update(aside.text.text_sha256 for aside in back)
        self._ring()

    def finish(self) -> None:
        """What was taken has ended, given back or set aside again."""
        self._open -= 1
        if self.ended:
            self._ring()

    def put_aside(self, aside: Aside) -> None:
        """Try it later, alone."""
        self._aside.append(aside)
        self._ring()

    def idle_for(self, server: int) -> bool:
        """Whether this server has nothing to do now, while others have."""
        if self.ended or any(self._may_try(server, aside) for aside in self._aside):
            return False
        may_begin = len(self._aside) < MOST_SET_ASIDE
        return not (may_begin and (self._given_back or not self._exhausted))

    def take_aside(self, server: int) -> Aside | None:
        """One of those set aside for this server to try alone, None if there is none for it."""
        for number, aside in enumerate(self._aside):
            if self._may_try(server, aside):
                self._open += 1
                self._ring()  # texts may be begun again
                return self._aside.pop(number)
        return None

    def put_back(self, aside: Aside, *, behind: bool) -> None:
        """One that was taken from those set aside is to be tried again, or has not been tried."""
        self._aside.insert(len(self._aside) if behind else 0, aside)
        self.finish()
        self._ring()

    def distrust(self, server: int) -> None:
        """This server was lost on its own; so perhaps it was with those texts that it was lost with
        before."""
        for aside in self._aside:
            aside.lost_alone = [each for each in aside.lost_alone if each != server]

    def join(self, server: int) -> None:
        """A further server has come, or come back."""
        self.living.add(server)
        self._ring()

    def give_up(self, server: int) -> None:
        """This server does not come back."""
        self.living.discard(server)
        self._ring()

    async def something(self) -> None:
        """Wait until there may be something to do, or all has ended."""
        await self._bell.wait()

    async def until_ended(self) -> None:
        """Wait until every text has ended."""
        while not self.ended:
            await self.something()

    def _may_try(self, server: int, aside: Aside) -> bool:
        """Another server is the better witness, if there is one."""
        return server not in aside.met or self.living <= aside.met

    def ring(self) -> None:
        """Let all who wait for something look again."""
        self._ring()

    def _ring(self) -> None:
        self._bell.set()
        self._bell = asyncio.Event()

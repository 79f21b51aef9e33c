"""What engines tell of themselves, shown beside what was counted of them."""

from __future__ import annotations

from collections.abc import Mapping

from notemill.counts import OwnMetrics
from notemill.engines.own_metrics import NoMetrics
from notemill.metrics.page import Page
from notemill.metrics.target import Target

_AT = "/engine/"
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class OwnPages:
    """A page for each of a job's engines that has metrics: those listen on loopback, with a key."""

    def __init__(self, own: Mapping[int, OwnMetrics]) -> None:
        self._own = own
        self._has: dict[OwnMetrics, bool] = {}

    def targets(self, labels: Mapping[str, str]) -> list[Target]:
        """Those that have metrics now; each has its number as a further label."""
        numbers = sorted(number for number, own in dict(self._own).items() if self._tells(own))
        return [Target(f"{_AT}{each}", {**labels, "engine": str(each)}) for each in numbers]

    def at(self, path: str) -> Page | None:
        """The page at a path, None if none is there. Raises OSError when the engine is silent."""
        number = path.removeprefix(_AT)
        own = self._own.get(int(number)) if path.startswith(_AT) and number.isdecimal() else None
        return Page(own(), _TEXT) if own else None

    def _tells(self, own: OwnMetrics) -> bool:
        """Whether an engine has metrics, which not all have. Asked until it says so."""
        if own not in self._has:
            try:
                own()
            except NoMetrics:
                self._has[own] = False
            except OSError:
                return False
            else:
                self._has[own] = True
        return self._has[own]

"""The file by which Prometheus' file discovery finds a job, as long as that serves."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from notemill.files import written_whole

_STALE_S = 600.0


class Target(NamedTuple):
    """Something to scrape. path: of its page; labels: of all that is scraped there."""

    path: str
    labels: Mapping[str, str]


class TargetFile:
    """A job's targets, all at one address. Raises OSError or NotemillError."""

    def __init__(self, folder: Path, name: str, address: str) -> None:
        self._path = folder / f"{name}.json"
        self._address = address
        self._written: list[object] = []
        self._turn = threading.Lock()
        self._removed = False

    def write(self, targets: Sequence[Target]) -> None:
        """Renamed into place, where it is new."""
        entries: list[object] = [
            {
                "targets": [self._address],
                "labels": {"__metrics_path__": target.path, **target.labels},
            }
            for target in targets
        ]
        with self._turn:
            if entries == self._written or self._removed:
                return
            with written_whole(self._path, synced=False) as partial:
                partial.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
            self._written = entries

    def remove(self) -> None:
        """Take it away for good; it need not be there."""
        with self._turn:
            self._removed = True
            self._path.unlink(missing_ok=True)

    def live(self) -> None:
        """Mark it as alive, and remove what others have left, who were killed: files that nobody
        has marked for a while, by the file system's clock, which all hosts share.
        """
        try:
            os.utime(self._path)
        except FileNotFoundError:  # the clock was set forward, and another job took it for stale
            with self._turn:
                self._written = []  # to be written again
            return
        latest = self._path.stat().st_mtime
        for path in self._path.parent.glob("*.json"):
            with suppress(OSError):
                if latest - path.stat().st_mtime > _STALE_S:
                    path.unlink()

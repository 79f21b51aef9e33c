"""The files that say how a run goes, read while jobs write, replace and remove them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from notemill.answers.live import Live, State
from notemill.errors import NotemillError
from notemill.notes.manifest import Manifest, read_manifest

_AT_ONCE = 16
_TRIED, _SLOW_S = 50, 0.001
"""After so many files, others are read side by side if each took so long, as over a network."""
_MISSING, _UNREADABLE = "missing", "unreadable"


@dataclass(frozen=True)
class Seen:
    """A live file and when it was last renewed, by the file server's clock (epoch)."""

    live: Live
    renewed: float


@dataclass
class Reading:
    """Reads for one look after another; what can't change any more is read once.

    unreadable: files of this look that say nothing, or are not what their name says.
    """

    unreadable: int = 0
    _final: dict[Path, tuple[object, Seen]] = field(default_factory=dict)
    _manifests: dict[Path, tuple[object, Manifest]] = field(default_factory=dict)

    def manifest(self, path: Path, cohort: str) -> Manifest | None:
        """The manifest, None if there is none or it can't be read."""
        try:
            version = _version(path.stat())
            if (known := self._manifests.get(path)) and known[0] == version:
                return known[1]
            manifest = read_manifest(path, of=cohort)
        except FileNotFoundError:
            return None
        except (OSError, NotemillError):
            self.unreadable += is_there(path)
            return None
        self._manifests[path] = (version, manifest)
        return manifest

    def live(self, paths: Iterable[Path]) -> dict[Path, Seen]:
        """All of these live files that are there and can be read."""
        wanted = list(paths)
        started = time.monotonic()
        found = [(path, self._live(path)) for path in wanted[:_TRIED]]
        rest = wanted[_TRIED:]
        if time.monotonic() - started > _TRIED * _SLOW_S:
            # A slice for each thread: handed over one by one they would cost more than the reading.
            slices = [rest[first::_AT_ONCE] for first in range(_AT_ONCE)]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                parts = pool.map(lambda part: [(path, self._live(path)) for path in part], slices)
                found += [each for part in parts for each in part]
        else:
            found += [(path, self._live(path)) for path in rest]
        self.unreadable += sum(seen == _UNREADABLE for _, seen in found)
        return {path: seen for path, seen in found if isinstance(seen, Seen)}

    def _live(self, path: Path) -> Seen | str:
        """The file, or why there is none."""
        if (known := self._final.get(path)) is not None:
            with suppress(OSError):
                if _version(path.stat()) == known[0]:
                    return known[1]
        try:
            with path.open("rb") as file:
                # Of the open file: over a network a name's own times may be older.
                status = os.fstat(file.fileno())
                seen = Seen(Live.model_validate_json(file.read()), status.st_mtime)
        except FileNotFoundError:
            return _MISSING
        except (OSError, ValidationError):
            return _UNREADABLE
        if seen.live.state is State.DONE:
            self._final[path] = (_version(status), seen)
        return seen


def names_in(folder: Path) -> set[str]:
    """Names in a folder, none if it is not there or can't be read."""
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()


def is_there(path: Path) -> bool:
    """Whether there is a file, one that can't be reached too."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def server_time(results: Path) -> float:
    """Seconds of the epoch by the clock that stamps the files of this folder.

    A file server's clock may be minutes off this host's, and its stamps tell when a job was last
    heard of. Where nothing may be written, this host's clock has to do.
    """
    with suppress(OSError), tempfile.TemporaryFile(dir=results, prefix=".status-") as file:
        file.write(b"\n")
        file.flush()
        return os.fstat(file.fileno()).st_mtime
    return time.time()


def _version(status: os.stat_result) -> object:
    return status.st_ino, status.st_size, status.st_mtime_ns

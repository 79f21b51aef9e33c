"""Whether a model of the store is still the one that an Ollama of ours was started for.

Ollama reads a model's manifest at each request: what is pulled, created or copied under the name
meanwhile answers from the next note on, by hand or by any user of the node, whom Ollama lets do it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from notemill.engines.protocol import RequestFailed
from notemill.engines.record import former_or_new
from notemill.errors import EngineRefused

Seen = tuple[int, ...] | None
"""What tells one writing of a file from another; None where there is no file."""


class HeldModel:
    """A model's manifest in the store. seen: the writing that is known to be the recorded one."""

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        self._digest = digest
        self.seen = self._now()

    @property
    def is_recorded(self) -> bool:
        """Whether the file has the recorded digest (sha256); a container may see another store."""
        return self._digest_now() == self._digest

    def check(self, began: Seen) -> None:
        """Refuse a reply to a request that was sent when `began` was seen, if that is over.

        Raises RequestFailed where the recorded model is there again, else EngineRefused.
        """
        now = self._now()
        if now != self.seen:
            digest = self._digest_now()
            if digest != self._digest:
                raise EngineRefused(
                    f"the model has become another in the store, with the digest {digest}, while "
                    "notes were asked; none of its answers is taken",
                    where=str(self._path),
                    remedy=former_or_new("put the former model back", digest),
                )
            self.seen = now
        if began != self.seen:
            raise RequestFailed("the model was written anew while it was asked")

    def _digest_now(self) -> str:
        try:
            return hashlib.sha256(self._path.read_bytes()).hexdigest()
        except OSError:
            return "of none"

    def _now(self) -> Seen:
        try:
            told = self._path.stat()
        except OSError:
            return None
        return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns

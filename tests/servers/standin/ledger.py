"""The ledger: what this server was asked, and when its answers were sent.

STANDIN_LEDGER names the file. Each line is a JSON object with `at` (seconds since 1970), `event`,
`server` (which start of a server; `job` its Slurm job) and, of a request, `request` (its number
there) and `question` (answers.question_of its prompt). Events: `started` (with `slots`), then for
each request `asked` before anything is done about it, `sending` before its first byte, and `sent`
once the kernel has the last one. A request without `sending` was refused, or its client or this
process was gone.

One write a line, appended: a kill loses no line, and none is torn.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from typing import Any

from .answers import question_of


class Ledger:
    """Written where the path says, nowhere with None."""

    def __init__(self, path: str | None, slots: int) -> None:
        self._path = path
        self._numbers = itertools.count(1)
        self._server = f"{os.getpid()}@{time.time():.3f}"
        self._job = os.environ.get("SLURM_JOB_ID")
        self._write({"event": "started", "slots": slots})

    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        """Write that a chat request came; returns what its further events are told with."""
        request = {"request": next(self._numbers), "question": _question(body)}
        self.write("asked", request)
        return request

    def write(self, event: str, request: dict[str, Any]) -> None:
        """Write what happens to a request."""
        self._write({"event": event, **request})

    def _write(self, entry: dict[str, Any]) -> None:
        if not self._path:
            return
        whole = {"at": time.time(), "server": self._server, "job": self._job, **entry}
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, (json.dumps(whole) + "\n").encode())
        finally:
            os.close(handle)


def _question(body: dict[str, Any]) -> str:
    messages = body.get("messages") or [{}]
    system = next((each["content"] for each in messages if each.get("role") == "system"), None)
    return question_of(system, messages[-1].get("content", ""))

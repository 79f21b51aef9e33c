"""The loaded model: a child process, as with Ollama, and the slots."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .store import Model

POLL_SECONDS = 0.02
IN_FLIGHT_LOST = "an error was encountered while running the model: unexpected EOF"
WAITING_LOST = "llama runner process no longer running: -1 "


class RunnerGone(Exception):
    """The runner's process ended before the answer; the message is Ollama's."""


class ClientGone(Exception):
    """The client has closed its connection."""


class Loaded:
    """One load of the model, at one num_ctx."""

    def __init__(self, model: Model, context: int, slots: int) -> None:
        self.model = model
        self.context = context
        self._slots = threading.Semaphore(slots)
        # Does nothing; it is there to be killed, or to be left behind when the server is.
        self._process = subprocess.Popen(["sleep", "infinity"])

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End the runner; requests in flight notice."""
        self._process.kill()
        self._process.wait()

    @contextmanager
    def slot(self, client_gone: Callable[[], bool]) -> Iterator[None]:
        """Wait for a slot and hold it. Raises RunnerGone or ClientGone while waiting."""
        while not self._slots.acquire(timeout=POLL_SECONDS):
            self._check(client_gone, WAITING_LOST)
        try:
            self._check(client_gone, WAITING_LOST)
            yield
        finally:
            self._slots.release()

    def work(self, seconds: float, client_gone: Callable[[], bool]) -> None:
        """Take so long over an answer. Raises RunnerGone or ClientGone."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, POLL_SECONDS))
            self._check(client_gone, IN_FLIGHT_LOST)
        self._check(client_gone, IN_FLIGHT_LOST)

    def _check(self, client_gone: Callable[[], bool], message: str) -> None:
        if not self.alive:
            raise RunnerGone(message)
        if client_gone():
            raise ClientGone


class Scheduler:
    """Loads the model that a request asks for, and loads it anew when its num_ctx changes."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None
        self.loads = 0

    @property
    def loaded(self) -> Loaded | None:
        """What is loaded and runs."""
        loaded = self._loaded
        return loaded if loaded is not None and loaded.alive else None

    def load(self, model: Model, context: int) -> Loaded:
        """The loaded model; a running one that fits is kept."""
        with self._lock:
            loaded = self.loaded
            if loaded and (loaded.model.digest, loaded.context) == (model.digest, context):
                return loaded
            if loaded:
                loaded.kill()
            self.loads += 1  # first: /api/ps reads it of what is loaded
            self._loaded = Loaded(model, context, self._slots)
            return self._loaded

    def unload(self) -> None:
        """End the runner, if there is one."""
        with self._lock:
            if self._loaded:
                self._loaded.kill()
                self._loaded = None

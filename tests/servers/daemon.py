"""Start a server process that never outlives the tests, and wait until it answers."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

KEEPER = Path(__file__).with_name("keeper.py")


class ServerFailed(RuntimeError):
    """A server did not start or did not get ready; the message ends with its log."""


class Daemon:
    """One server process in a session of its own; `stop` also ends all that it started."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        grace_seconds: float = 20,
    ) -> None:
        self.log = log
        # A session of its own, so that Ctrl-C reaches the tests and not the server.
        self._keeper = subprocess.Popen(
            [sys.executable, str(KEEPER), str(log), str(grace_seconds), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert self._keeper.stdout is not None and self._keeper.stderr is not None
        line = self._keeper.stdout.readline()
        if not line:
            raise ServerFailed(f"{command[0]}: {self._keeper.stderr.read().decode().strip()}")
        self.pid = int(line)

    @property
    def running(self) -> bool:
        """Whether the command itself, not merely something that it started, is there."""
        return Path(f"/proc/{self.pid}").exists()

    def kill(self) -> None:
        """SIGKILL for the command alone; what it started goes on until `stop`."""
        os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: not self.running, 10, f"process {self.pid} survived SIGKILL")

    def kill_all(self) -> list[int]:
        """SIGKILL for the command and every descendant; returns their process ids."""
        # The keeper inherits what the command sends into the background.
        keeper, ended = psutil.Process(self._keeper.pid), list[int]()
        while left := [each for each in keeper.children(recursive=True) if _lives(each)]:
            # All stand still before the first ends: none is there to tell of it.
            for end in (psutil.Process.suspend, psutil.Process.kill):
                for process in left:
                    with suppress(psutil.NoSuchProcess):
                        end(process)
            psutil.wait_procs(left, timeout=1)
            ended += [each.pid for each in left]
        return ended

    def stop(self) -> None:
        """SIGTERM, SIGKILL after the grace period, and the end of every descendant."""
        self._keeper.communicate()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_until(
    ready: Callable[[], bool],
    seconds: float,
    failure: str,
    daemons: Sequence[Daemon] = (),
    logs: Sequence[Path] = (),
    retry_on: type[Exception] | tuple[type[Exception], ...] = (),
) -> None:
    """Ask `ready` until it says yes; an exception of the types `retry_on` means no.

    Raises ServerFailed with `failure`, the last such exception and the logs' ends after so many
    seconds, or as soon as one of the daemons has ended.
    """
    end = time.monotonic() + seconds
    last = ""
    while True:
        try:
            if ready():
                return
        except retry_on as error:
            last = f": {error}"
        ended = [daemon for daemon in daemons if not daemon.running]
        if ended or time.monotonic() > end:
            reason = "ended by itself" if ended else f"not within {seconds:g} s"
            shown = [*(daemon.log for daemon in ended or daemons), *logs]
            raise ServerFailed("\n".join([f"{failure} ({reason}){last}", *map(tail, shown)]))
        time.sleep(0.1)


def tail(log: Path, lines: int = 20) -> str:
    """The end of a log under its name, for an error message."""
    text = log.read_text(errors="replace") if log.exists() else "(no such file)"
    return "\n".join([f"--- {log}", *text.splitlines()[-lines:]])


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

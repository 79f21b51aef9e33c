"""A server's life inside a job: started, proven to be ours, ended with all its children."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import psutil

from notemill.config.database import PASSWORD_VARIABLES
from notemill.config.owned import beginnings
from notemill.cores import without_core_dumps
from notemill.engines import afterwards
from notemill.errors import EngineRefused, NotemillError
from notemill.files import explained, open_private
from notemill.leftovers import temporary_folder
from notemill.parent import end_with_parent

_STOP_S = 10.0
_LOG_TAIL_BYTES = 1 << 16
_PRIVATE = ("HOME", "NO_PROXY", "no_proxy")
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
"""Exit statuses of a shell whose command can't be run."""
_TELLING = re.compile(
    r"error|fail|cannot|can't|could not|not found|no such|denied|unknown|invalid|unable|killed",
    re.IGNORECASE,
)
_FOR_GOOD = {
    r"holds at most \d+ tokens|max_model_len .* is greater than|longer than the maximum": (
        "lower experiments.*.options.num_ctx to what the model holds, or take another model"
    ),
    r"corrupted or incomplete|is not a GGUF file|unknown model architecture|invalid magic": (
        "get the weights again and compare their sha256 with the publisher's; a new kind of model "
        "may need a newer engine"
    ),
    r"unrecognized arguments|unknown flag|invalid argument:|unknown command": (
        "correct engines.*.command: this program does not take it"
    ),
}
"""Last words that no retry changes, as regular expressions, and the remedy."""
_NOT_FOR_SERVERS = {
    "ROCR_VISIBLE_DEVICES",  # set by Slurm; keeps Ollama off NVIDIA GPUs
    *PASSWORD_VARIABLES,
}


class ServerProcess:
    """A child in a session of its own, whose output goes to a private file.

    None of the session outlives this process, whatever ends it: see notemill.engines.afterwards.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        """Start it. Raises NotemillError when the command can't be run."""
        self.log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        # Private: engines may quote a note or an answer in what they write.
        with explained(log):
            handle = open_private(log, os.O_WRONLY | os.O_APPEND)
        os.fchmod(handle, 0o600)  # one of before may be open to others
        try:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        except OSError as error:
            for_good = error.errno in (errno.ENOENT, errno.EACCES, errno.ENOEXEC)
            raise (EngineRefused if for_good else NotemillError)(
                f"the engine's command can't be run: {error.strerror}",
                where=f"{command[0]} (engines.*.command)",
                remedy="give the program's full path, or load its module in engines.*.setup",
            ) from error
        finally:
            os.close(handle)
        without_core_dumps(self._process.pid)  # before any note: a session's own limit stays
        # When this process ends, however it does, its end of the pipe is closed.
        self._afterwards = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", afterwards.__file__),
                *(str(self._process.pid), str(_STOP_S)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        """Whether the started process still runs."""
        return self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """Exit status, None while it runs."""
        return self._process.poll()

    def output(self) -> str:
        """What this server has written so far, at most the last 64 KiB."""
        with self.log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(self._log_start, size - _LOG_TAIL_BYTES))
            return stream.read().decode(errors="replace")

    def pids(self) -> set[int]:
        """Its running processes."""
        return {process.pid for process in self._session()}

    def owns_port(self, port: int) -> bool:
        """Whether a process of this server's session listens on the loopback port."""
        for process in self._session():
            try:
                connections = process.net_connections(kind="tcp")
            except psutil.Error:
                continue
            if any(
                connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
                for connection in connections
            ):
                return True
        return False

    async def stop(self) -> None:
        """End the whole session: SIGTERM, and SIGKILL after some seconds.

        A cancellation waits for it: another server may want the GPU.
        """
        ending = asyncio.ensure_future(self._end_all())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise

    async def _end_all(self) -> None:
        await self._end()
        if self._afterwards.stdin:
            self._afterwards.stdin.close()
        await asyncio.to_thread(self._afterwards.wait)

    async def _end(self) -> None:
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            for process in self._session():
                try:
                    process.send_signal(signal_number)
                except psutil.Error:
                    continue
            deadline = time.monotonic() + _STOP_S
            while time.monotonic() < deadline:
                # Reaped, too: its first thread may be dead before the others let go of the GPU.
                if self._process.poll() is not None and not self._session():
                    return
                await asyncio.sleep(0.05)

    def _session(self) -> list[psutil.Process]:
        """Running processes of the server's session; zombies are dead."""
        members = []
        for process in psutil.process_iter():
            try:
                ours = os.getsid(process.pid) == self._process.pid
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    members.append(process)
            except (psutil.Error, OSError):
                continue
        return members


def ended_early(server: ServerProcess, program: str) -> NotemillError:
    """What to say of a server that ended before it answered, with its own last sensible line.

    To be asked before anything but prompts was sent to it: then its output can't quote a note.
    """
    status, output = server.exit_status, server.output()
    for sign, remedy in _FOR_GOOD.items():
        if match := re.search(f"^.*(?:{sign}).*$", output, re.MULTILINE):
            return EngineRefused(
                f"{program} ended with status {status}: {_short(match[0])}",
                where=str(server.log),
                remedy=remedy,
            )
    words = last_words(output)
    if status in (_NOT_EXECUTABLE, _NOT_FOUND):
        return EngineRefused(
            f"a command of engines.*.setup or engines.*.command can't be run: {words}",
            where=str(server.log),
            remedy="correct engines.*.setup or engines.*.command: run both by hand on such a node. "
            "Is the program there, the module loaded, the image readable?",
        )
    return NotemillError(
        f"{program} ended with status {status} before it answered; its last words: {words}",
        where=str(server.log),
        remedy="correct engines.*.setup or engines.*.command: run both by hand on such a node. Is "
        "the program there, the module loaded, the image readable, the memory enough?",
    )


def last_words(output: str) -> str:
    """The last line that tells of an error, else the last one, short; `nothing` if there is none.

    Not the last line as it comes: a Python traceback is followed by notices, Go's by usage.
    """
    lines = [line for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    return _short((telling or lines or ["nothing"])[-1])


def _short(line: str) -> str:
    return " ".join(line.split())[:300]


def private_home() -> AbstractContextManager[Path]:
    """A folder for the server's HOME and its key, on the node's own disk, gone afterwards.

    What jobs that were killed left there is cleared first. Raises NotemillError.
    """
    return temporary_folder("engine")


def server_environment(home: Path, *extra: Mapping[str, str]) -> dict[str, str]:
    """The job's environment for a server: own HOME, no secrets, loopback past any proxy."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_FOR_SERVERS and not name.startswith(beginnings())
    }
    environment |= dict.fromkeys(_PRIVATE, "127.0.0.1") | {"HOME": str(home)}
    for more in extra:
        environment |= more
    return environment


def with_setup(
    setup: str,
    command: list[str],
    environment: Mapping[str, str],
    devices: Mapping[str, str] | None = None,
) -> list[str]:
    """The command, run after the site's set-up lines in a login shell if there are any.

    A module or a profile may set the server's variables too: `environment` is what counts, and
    `devices`, those of it that name the server's GPUs.
    """
    if not setup.strip():
        return command
    ours = [
        f"{name}={value}"
        for name, value in environment.items()
        if name.startswith(beginnings()) or name in _PRIVATE or name in (devices or {})
    ]
    forget = "unset " + " ".join(f"${{!{start}@}}" for start in beginnings())
    script = f'set -e\n{setup}\n{forget}\nexec env "$@"'
    return ["bash", "-l", "-c", script, "notemill", *ours, *command]


def filled(command: list[str], values: Mapping[str, object]) -> list[str]:
    """The command with each {name} replaced by its value; other braces stay as they are."""
    words = []
    for word in command:
        for name, value in values.items():
            word = word.replace(f"{{{name}}}", str(value))
        words.append(word)
    return words


def free_port() -> int:
    """A loopback port that was free a moment ago; `owns_port` tells who got it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""notemill.engines.process, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from notemill.engines import process as module
from notemill.engines.process import ServerProcess, ended_early, free_port
from notemill.errors import EngineRefused, NotemillError
from tests.unit.engines.waiting import until

SERVER = """
import signal, socket, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "1000"])
if "tidy" in sys.argv:  # as `ollama serve` is
    signal.signal(signal.SIGTERM, lambda *_: (child.kill(), sys.exit(0)))
listener = socket.create_server(("127.0.0.1", 0))
print("ready", child.pid, listener.getsockname()[1], flush=True)
while True:
    time.sleep(1000)
"""


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def ready(server: ServerProcess) -> tuple[int, int]:
    """The server's child and its port, once it has them."""
    until(lambda: "ready" in server.output() and server.output().endswith("\n"))
    _, child, port = server.output().split()
    return int(child), int(port)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers; what a failed test leaves is killed."""
    started: list[ServerProcess] = []

    def start_one(*words: str, command: list[str] | None = None) -> ServerProcess:
        command = command or [sys.executable, "-c", SERVER, *words]
        started.append(ServerProcess(command, os.environ, tmp_path / "server.log"))
        return started[-1]

    yield start_one
    for server in started:
        for process in server._session():
            process.kill()


def pid_of(server: ServerProcess) -> int:
    return server._process.pid


@pytest.mark.parametrize("manner", ["tidy", "careless", "stubborn"])
def test_stop_ends_the_server_and_its_child(
    start: Callable[..., ServerProcess], monkeypatch: pytest.MonkeyPatch, manner: str
) -> None:
    monkeypatch.setattr(module, "_STOP_S", 1.0 if manner == "stubborn" else 60.0)
    server = start(manner)
    child, _ = ready(server)
    assert server.alive
    assert not gone(child)
    asyncio.run(server.stop())
    assert not server.alive
    assert server.exit_status is not None
    assert gone(child)


def test_stop_ends_the_child_of_a_server_that_died(start: Callable[..., ServerProcess]) -> None:
    server = start()
    child, _ = ready(server)
    os.kill(pid_of(server), signal.SIGKILL)
    until(lambda: not server.alive)
    assert server.exit_status == -signal.SIGKILL
    assert not gone(child)
    asyncio.run(server.stop())
    assert gone(child)


def takes_no_sigterm(process: int) -> bool:
    said = Path(f"/proc/{process}/status").read_text()
    ignored = next(line for line in said.splitlines() if line.startswith("SigIgn:"))
    return bool(int(ignored.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


JOB = """
import os, sys, time
from pathlib import Path
from notemill.engines import process
from notemill.engines.process import ServerProcess
process._STOP_S = 1.0
command = [sys.executable, "-c", sys.argv[1], sys.argv[3]]
server = ServerProcess(command, os.environ, Path(sys.argv[2]))
while not server.output().endswith("\\n"):  # a word at a time where Python does not buffer
    time.sleep(0.02)
print(server._process.pid, server.output().split()[1], server._afterwards.pid, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize(
    ("manner", "told"),
    [("tidy", False), ("careless", False), ("stubborn", False), ("stubborn", True)],
)
def test_the_server_and_its_child_end_with_a_job_that_is_killed(
    tmp_path: Path, manner: str, told: bool
) -> None:
    """No Slurm is needed for it, which counts a session of its own to no job without cgroups.

    told: Slurm's SIGTERM before a time limit goes to every process of the job.
    """
    with subprocess.Popen(
        [sys.executable, "-c", JOB, SERVER, str(tmp_path / "server.log"), manner],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as job:
        assert job.stdout is not None
        pids = [int(pid) for pid in job.stdout.readline().split()]
        assert len(pids) == 3
        assert not any(map(gone, pids))
        if told:
            until(lambda: takes_no_sigterm(pids[2]))
            os.kill(pids[2], signal.SIGTERM)
        os.killpg(job.pid, signal.SIGKILL)  # all that Slurm knows of it
    until(lambda: all(map(gone, pids)))


def test_its_own_port_is_told_from_anothers(start: Callable[..., ServerProcess]) -> None:
    server = start()
    _, port = ready(server)
    assert server.owns_port(port)
    with socket.create_server(("127.0.0.1", 0)) as another:
        assert not server.owns_port(another.getsockname()[1])
    assert not server.owns_port(free_port())
    asyncio.run(server.stop())
    assert not server.owns_port(port)


def test_a_port_of_the_servers_child_is_its_own(start: Callable[..., ServerProcess]) -> None:
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SERVER!r}])"
    server = start(command=[sys.executable, "-c", inner])
    _, port = ready(server)
    assert server.owns_port(port)


def test_its_output_is_kept_private_and_apart_from_earlier_ones(
    start: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    (tmp_path / "server.log").write_text("ready 1 2\n")
    (tmp_path / "server.log").chmod(0o600)
    server = start(command=["sh", "-c", "echo out; echo err >&2"])
    until(lambda: not server.alive)
    assert server.output() == "out\nerr\n"
    assert (tmp_path / "server.log").read_text() == "ready 1 2\nout\nerr\n"


def test_a_new_log_is_the_owners_alone(start: Callable[..., ServerProcess]) -> None:
    assert start(command=["true"]).log.stat().st_mode & 0o777 == 0o600


def test_a_log_that_was_open_to_others_is_not_any_more(
    start: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    (tmp_path / "server.log").touch(mode=0o644)
    assert start(command=["true"]).log.stat().st_mode & 0o777 == 0o600


def test_of_a_long_output_the_end_is_shown(start: Callable[..., ServerProcess]) -> None:
    server = start(command=["sh", "-c", "yes | head -c 100000; echo the end"])
    until(lambda: not server.alive)
    assert len(server.output()) == 1 << 16
    assert server.output().endswith("the end\n")


@pytest.mark.parametrize("command", ["/nosuch/program", "nosuch-program", "/etc/passwd"])
def test_a_command_that_cannot_run_is_named(tmp_path: Path, command: str) -> None:
    with pytest.raises(NotemillError, match=r"command can't be run") as refused:
        ServerProcess([command], os.environ, tmp_path / "server.log")
    assert command in str(refused.value.where)
    assert "engines.*.setup" in refused.value.remedy


class TestAServerThatEndedEarly:
    @staticmethod
    def ended(start: Callable[..., ServerProcess], script: str) -> NotemillError:
        server = start(command=["bash", "-c", script])
        until(lambda: not server.alive)
        return ended_early(server, "the engine's command")

    @pytest.mark.parametrize(
        ("script", "words"),
        [
            ("echo ready; echo 'Error: no space left on device'; echo; echo bye; exit 3",
             "status 3 before it answered; its last words: Error: no space left on device"),
            ("echo starting; exit 4", "status 4 before it answered; its last words: starting"),
            ("exit 5", "status 5 before it answered; its last words: nothing"),
            ("kill -9 $$", "status -9 before it answered; its last words: nothing"),
            ("python3 -c 'raise OSError(\"disk gone\")'; echo 'see the docs'; exit 1",
             "its last words: OSError: disk gone"),
        ],
    )  # fmt: skip
    def test_is_told_with_its_last_sensible_line(
        self, start: Callable[..., ServerProcess], script: str, words: str
    ) -> None:
        error = self.ended(start, script)
        assert words in error.what
        assert not isinstance(error, EngineRefused)
        assert str(error.where).endswith("server.log")

    @pytest.mark.parametrize(
        ("script", "remedy"),
        [
            ("no-such-module load x", "engines.*.setup"),
            ("/etc/passwd", "by hand on such a node"),
            ("echo 'the model m holds at most 1024 tokens, --context asks for 4096'; exit 1",
             "num_ctx"),
            ("echo 'ValueError: User-specified max_model_len (9000) is greater than the derived "
             "max_model_len (max_position_embeddings=8192)'; echo 'RuntimeError: Engine core "
             "initialization failed'; exit 1", "num_ctx"),
            ("echo 'Error: m.gguf: model is corrupted or incomplete'; exit 1", "sha256"),
            ("echo 'vllm: error: unrecognized arguments: --slots'; exit 2", "engines.*.command"),
        ],
    )  # fmt: skip
    def test_is_refused_for_good_where_no_retry_helps(
        self, start: Callable[..., ServerProcess], script: str, remedy: str
    ) -> None:
        error = self.ended(start, script)
        assert isinstance(error, EngineRefused)
        assert remedy in error.remedy

    def test_is_not_told_with_words_of_an_earlier_one(
        self, start: Callable[..., ServerProcess], tmp_path: Path
    ) -> None:
        (tmp_path / "server.log").write_text("Error: could not parse: Sputum with blood\n")
        assert "Sputum" not in str(self.ended(start, "exit 1"))


def test_a_free_port_can_be_taken() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass

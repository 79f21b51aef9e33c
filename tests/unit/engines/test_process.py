"""notemill.engines.process, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from notemill.engines import process as module
from notemill.engines.process import (
    ServerProcess,
    ended_early,
    filled,
    free_port,
    private_home,
    server_environment,
    with_setup,
)
from notemill.errors import EngineRefused, NotemillError

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


def until(true: Callable[[], bool]) -> None:
    """Wait for it; how long is not the test's matter."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


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


JOB = """
import os, sys, time
from pathlib import Path
from notemill.engines.process import ServerProcess
server = ServerProcess([sys.executable, "-c", sys.argv[1], "tidy"], os.environ, Path(sys.argv[2]))
while "ready" not in server.output():
    time.sleep(0.02)
print(server._process.pid, server.output().split()[1], flush=True)
time.sleep(1000)
"""


def test_the_server_and_its_child_end_with_a_job_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", JOB, SERVER, str(tmp_path / "server.log")],
        stdout=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stdout is not None
        pids = [int(pid) for pid in job.stdout.readline().split()]
        assert len(pids) == 2
        assert not any(map(gone, pids))
        job.kill()
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


def test_a_server_gets_the_jobs_environment_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (
        "ROCR_VISIBLE_DEVICES",
        "NOTEMILL_DATABASE_PASSWORD",
        "OLLAMA_HOST",
        "OLLAMA_DEBUG",
        "LLAMA_ARG_CTX_SIZE",
        "no_proxy",
    ):
        monkeypatch.setenv(name, "of the job")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    given = server_environment(tmp_path, {"OLLAMA_HOST": "127.0.0.1:0", "A": "1"}, {"A": "2"})
    assert "of the job" not in given.values()
    assert given["OLLAMA_HOST"] == "127.0.0.1:0"
    assert given["A"] == "2"  # the later one counts: the user's
    assert given["HOME"] == str(tmp_path)
    assert given["no_proxy"] == given["NO_PROXY"] == "127.0.0.1"
    assert given["CUDA_VISIBLE_DEVICES"] == "2"
    assert given["http_proxy"] == "http://proxy:3128"
    assert given["PATH"] == os.environ["PATH"]


class TestAPrivateHome:
    def test_is_the_owners_alone_and_gone_afterwards(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("SLURM_TMPDIR", raising=False)
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        with private_home() as home:
            assert home.parent == tmp_path
            assert home.stat().st_mode & 0o777 == 0o700
            (home / ".ollama").mkdir()
        assert not home.exists()

    def test_lies_in_the_jobs_own_folder_where_there_is_one(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SLURM_TMPDIR", str(tmp_path))
        with private_home() as home:
            assert home.parent == tmp_path

    def test_a_folder_that_is_not_there_is_no_harm(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SLURM_TMPDIR", str(tmp_path / "absent"))
        with private_home() as home:
            assert home.is_dir()


class TestSetUp:
    def test_without_it_the_command_is_as_it_was(self) -> None:
        assert with_setup(" \n", ["a", "b c"], {"HOME": "/h"}) == ["a", "b c"]

    def test_its_lines_run_first_and_words_stay_whole(self) -> None:
        command = with_setup(
            "export GREETING=hello\n", ["sh", "-c", 'echo "$GREETING" "$0"', "b  c"], {}
        )
        assert subprocess.check_output(command, text=True).splitlines()[-1] == "hello b  c"

    def test_a_failing_line_is_the_end(self) -> None:
        command = with_setup("false", ["echo", "started"], {})
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "started" not in done.stdout

    def test_the_command_takes_the_shells_place(self) -> None:
        with subprocess.Popen(with_setup("trap : EXIT", ["sleep", "1000"], {})) as process:
            until(lambda: psutil.Process(process.pid).name() == "sleep")
            process.kill()

    def test_a_module_does_not_change_what_notemill_sets(self, tmp_path: Path) -> None:
        """Sites' modules set OLLAMA_MODELS and the like; in a job they have no say."""
        module = (
            "export OLLAMA_MODELS=/site OLLAMA_DEBUG=1 LLAMA_ARG_CTX_SIZE=9 LLAMA_LOG_VERBOSITY=9\n"
            "export HOME=/site no_proxy=none MINE=1\nOLLAMA_HOST=0.0.0.0"
        )
        given = server_environment(
            tmp_path, {"OLLAMA_MODELS": "/mine", "OLLAMA_HOST": "127.0.0.1:0", "LLAMA_ARG_X": "a b"}
        )
        command = with_setup(module, ["env", "-0"], given)
        out = subprocess.check_output(command, env=given, text=True)
        env = dict(pair.split("=", 1) for pair in out.rstrip("\0").split("\0"))
        ours = {n: v for n, v in env.items() if n.startswith(("OLLAMA_", "LLAMA_"))}
        assert ours == {
            "OLLAMA_MODELS": "/mine",
            "OLLAMA_HOST": "127.0.0.1:0",
            "LLAMA_ARG_X": "a b",
        }
        assert (env["HOME"], env["no_proxy"], env["MINE"]) == (str(tmp_path), "127.0.0.1", "1")


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


def test_only_known_words_are_filled_in() -> None:
    words = {"port": 80, "home": Path("/h")}
    command = ["x{port}", "{home}/{port}", "{other}", '{"a": 1}', "{}"]
    assert filled(command, words) == ["x80", "/h/80", "{other}", '{"a": 1}', "{}"]


def test_a_free_port_can_be_taken() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass

"""What a server's process is given: its environment, a home, a set-up, its command's words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from notemill.engines.process import filled, server_environment, with_setup
from tests.unit.engines.waiting import until


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


_KILLED = """
import os, sys, time
from pathlib import Path
from notemill.engines.process import private_home
with private_home() as home:
    (home / "api-key").write_text("a key")
    print(home, flush=True)
    time.sleep(1000)
"""


def test_the_home_of_a_killed_job_is_cleared_with_its_key_by_the_next(tmp_path: Path) -> None:
    """Held to it beside one of a job that lives (tests/unit/ground/test_leftovers.py has more)."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "SLURM_TMPDIR": ""}

    def job() -> tuple[subprocess.Popen[str], Path]:
        command = [sys.executable, "-c", _KILLED]
        started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert started.stdout
        return started, Path(started.stdout.readline().rstrip("\n"))

    killed, left = job()
    killed.kill()
    killed.wait()
    assert (left / "api-key").exists()
    living, theirs = job()
    assert not left.exists()
    third, _ = job()
    assert (theirs / "api-key").read_text() == "a key"
    assert theirs.stat().st_mode & 0o777 == 0o700
    for each in (living, third):
        each.kill()
        each.wait()


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


def test_only_known_words_are_filled_in() -> None:
    words = {"port": 80, "home": Path("/h")}
    command = ["x{port}", "{home}/{port}", "{other}", '{"a": 1}', "{}"]
    assert filled(command, words) == ["x80", "/h/80", "{other}", '{"a": 1}', "{}"]

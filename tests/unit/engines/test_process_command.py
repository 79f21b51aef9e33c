"""What a server's process is given: its environment, a home, a set-up, its command's words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from notemill.engines.process import filled, private_home, server_environment, with_setup
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


def test_only_known_words_are_filled_in() -> None:
    words = {"port": 80, "home": Path("/h")}
    command = ["x{port}", "{home}/{port}", "{other}", '{"a": 1}', "{}"]
    assert filled(command, words) == ["x80", "/h/80", "{other}", '{"a": 1}', "{}"]

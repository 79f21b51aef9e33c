"""What a shard's job says of an engine that can't be started: the cause, its place, its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from notemill.errors import EngineRefused, NotemillError
from tests.servers.shard_site import ShardSite

TINY = Path(__file__).parents[3] / "models" / "notemill-tiny.gguf"
NOTE = "Findings of pneumonia in the right lung."


def refused(tmp_path: Path, engine: dict[str, Any], **options: int) -> NotemillError:
    """How the job ends, whose note must not be in it."""
    kind = "openai" if engine.keys() & {"command", "address"} else "llamacpp"
    engine = {"kind": kind, "weights": str(TINY), "slots": 1, **engine}
    experiment = {"model": "m", "options": {"num_ctx": 1024, "num_predict": 64} | options}
    site = ShardSite(tmp_path, [NOTE], engine, experiment)
    with pytest.raises(NotemillError) as refused:
        site.answer()
    assert NOTE not in str(refused.value)
    return refused.value


def test_a_context_beyond_the_models_is_told_with_what_it_holds(tmp_path: Path) -> None:
    error = refused(tmp_path, {}, num_ctx=40000)
    assert isinstance(error, EngineRefused)
    assert "holds at most 1024 tokens" in error.what
    assert "num_ctx" in error.remedy


def test_weights_that_are_cut_short_are_told_so(tmp_path: Path) -> None:
    weights = tmp_path / "cut.gguf"
    weights.write_bytes(TINY.read_bytes()[:1_000_000])
    error = refused(tmp_path, {"weights": str(weights)})
    assert isinstance(error, EngineRefused)
    assert "model is corrupted or incomplete" in error.what
    assert "get the weights again" in error.remedy


def test_weights_with_a_damaged_head_are_told_before_any_job(tmp_path: Path) -> None:
    weights = tmp_path / "cut.gguf"
    weights.write_bytes(TINY.read_bytes()[:5000])
    error = refused(tmp_path, {"weights": str(weights)})
    assert isinstance(error, EngineRefused)
    assert error.where == str(weights)


def test_a_setup_that_fails_is_told_with_the_shells_words(tmp_path: Path) -> None:
    error = refused(tmp_path, {"setup": "modul load singularity"})
    assert isinstance(error, EngineRefused)
    assert "modul: command not found" in error.what
    assert "engines.*.setup" in error.what


def test_a_program_that_is_not_in_the_modules_path_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path, {"setup": "true", "command": ["no-such-server", "{port}"]})
    assert isinstance(error, EngineRefused)
    assert "no-such-server" in error.what


def test_a_command_that_hangs_ends_with_its_start_timeout(tmp_path: Path) -> None:
    script = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(999)"
    engine = {"command": ["{python}", "-c", script], "start_timeout_s": 3}
    error = refused(tmp_path, engine)
    assert not isinstance(error, EngineRefused)
    assert "did not answer on 127.0.0.1" in error.what
    assert "start_timeout_s" in error.remedy


def test_a_command_that_is_no_model_server_is_told_by_what_it_says(tmp_path: Path) -> None:
    command = ["{python}", "-m", "http.server", "{port}", "--bind", "127.0.0.1"]
    error = refused(tmp_path, {"command": command, "start_timeout_s": 4})
    assert "status 404" in error.what


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    key = tmp_path / "key"
    key.write_text("hunter2")
    key.chmod(mode)
    engine = {"address": "http://127.0.0.1:9/v1", "api_key_file": str(key), "weights": None}
    error = refused(tmp_path, engine)
    assert error.what == "the file with the engine's key is open to others"
    assert error.remedy == f"chmod 600 {key}"


@pytest.mark.parametrize("content", [None, "", "two words"])
def test_a_key_that_is_none_is_told_by_its_place(tmp_path: Path, content: str | None) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.touch(mode=0o600)
        key.write_text(content)
    engine = {"address": "http://127.0.0.1:9/v1", "api_key_file": str(key), "weights": None}
    error = refused(tmp_path, engine)
    assert "api_key_file can't be read, or holds no key" in error.what
    assert error.where == str(key)

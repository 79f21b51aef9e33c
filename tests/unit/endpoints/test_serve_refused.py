"""What `notemill serve`, `servers` and `bench-server` refuse before anything is started."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from notemill.cli.commands import main
from notemill.config import LlamaCppEngine, OllamaEngine
from notemill.endpoints.gpus import held_gpus
from notemill.endpoints.limits import end_of_job
from notemill.engines.devices import Devices
from notemill.errors import NotemillError
from tests.unit.endpoints.served import write_project


def refusal(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    *words: str,
    changes: dict[str, Any] | None = None,
) -> str:
    """What a command says when it refuses; changes: of the configuration's sections."""
    path = folder / "config.yaml"
    values = yaml.safe_load(path.read_text())
    for section, change in (changes or {}).items():
        for name, each in change.items():
            values[section][name] = {**values[section].get(name, {}), **each}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    before = Path.cwd()
    try:
        name, *rest = words
        status = main([name, "--configfile", str(path), "-d", str(folder), *rest])
    finally:
        os.chdir(before)
    said = capsys.readouterr().err
    assert status == 1 and said.count("what to do") == 1, said
    assert not (folder / "results" / "logs").exists()
    return said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_project(tmp_path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["serve", "nothing"], "is not one of `engines` (engine)"),
        (["serve", "engine", "--experiment", "no"], "those that do: pneumonia (notemill-tiny)"),
        (["serve", "engine", "--model", "m:2"], "no such experiment asks the engine"),
        (["serve", "engine", "--hours", "0.02"], "it would have 1.2 minutes"),
        (["serve", "engine", "--hours", "1", "--drain", "61"], "nothing new in the last 61"),
        (["serve", "engine", "--until", "2020-01-01"], "give it more time"),
        (["serve", "engine", "--key", "k.pem"], "a certificate needs its key"),
        (["servers", "nothing"], "has no `endpoints`"),
        (["bench-server"], "which experiment's question"),
        (["bench-server", "pneumonia"], "this folder of endpoints does not exist"),
    ],
)
def test_what_can_not_be_is_refused_in_one_message(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert told in refusal(capsys, folder, *words)


def test_an_engine_without_a_folder_of_endpoints_says_where_one_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"engines": {"engine": {"endpoints": None}}}
    assert "`endpoints: endpoints/NAME`" in refusal(capsys, folder, "serve", "engine", changes=own)
    assert "no engine has `endpoints`" in refusal(capsys, folder, "servers")


def test_an_engine_that_can_not_be_started_says_what_it_lacks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = {"engines": {"engine": {"weights": None}}}
    assert "engines.engine.weights" in refusal(capsys, folder, "serve", "engine", changes=bare)


def test_experiments_that_need_servers_of_their_own_are_told_apart(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longer = {"experiments": {"pneumonia": {"options": {"num_ctx": 2048, "num_predict": 200}}}}
    said = refusal(capsys, folder, "serve", "engine", changes=longer)
    assert "2048 tokens a slot, for pneumonia;" in said and "1024 tokens a slot" in said


def test_a_folder_that_others_may_enter_is_refused_before_the_engine_is_started(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "endpoints").mkdir()
    (folder / "endpoints").chmod(0o770)
    for words in (["serve", "engine"], ["servers"], ["bench-server", "pneumonia"]):
        assert "open to others" in refusal(capsys, folder, *words)


def test_a_slurm_jobs_end_is_taken_from_its_environment() -> None:
    end = datetime(2026, 12, 1, 8, tzinfo=UTC)
    told = {"SLURM_JOB_ID": "42", "SLURM_JOB_END_TIME": str(int(end.timestamp()))}
    assert end_of_job(told) == end
    assert end_of_job({}) is None


def test_slurm_is_asked_where_its_environment_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = (datetime.now() + timedelta(hours=1)).replace(microsecond=0)
    squeue = tmp_path / "squeue"
    for said, end in ((local.isoformat(), local.astimezone(UTC)), ("N/A", None)):
        squeue.write_text(f"#!/bin/sh\necho {said}\n")
        squeue.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        assert end_of_job({"SLURM_JOB_ID": "42"}) == end


def test_two_servers_on_one_gpu_are_refused_and_two_on_two_are_not() -> None:
    engine = OllamaEngine(kind="ollama", models=Path("/models"))
    first, second = Devices("CUDA_VISIBLE_DEVICES", ("0",)), Devices("CUDA_VISIBLE_DEVICES", ("1",))
    with held_gpus(engine, first) as names, held_gpus(engine, second):
        assert names == ("0",)
        both = Devices("CUDA_VISIBLE_DEVICES", ("2", "1"))
        with pytest.raises(NotemillError, match="another server of yours uses this GPU"):
            with held_gpus(engine, both):
                pass
    with held_gpus(engine, both) as names:
        assert names == ("2", "1")


def test_engines_on_the_cpu_hold_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    embedded = LlamaCppEngine(kind="llamacpp", weights=Path("/w"))
    off = OllamaEngine(kind="ollama", models=Path("/models"), gpu="off")
    for engine in (embedded, off):
        with held_gpus(engine, None) as names, held_gpus(engine, None):
            assert names == ()

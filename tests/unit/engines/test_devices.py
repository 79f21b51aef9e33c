"""notemill.engines.devices: a job's GPUs, shared among its servers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from notemill.config import LlamaCppEngine, OllamaEngine, OpenAiEngine
from notemill.engines.devices import Devices, given, of_server
from notemill.engines.gpu import prove_own_gpus
from notemill.engines.process import ServerProcess
from notemill.errors import NotemillError

CUDA = "CUDA_VISIBLE_DEVICES"
OLLAMA = OllamaEngine(kind="ollama", models=Path("/models"))
NAMES = (CUDA, "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")


@pytest.mark.parametrize(
    ("environment", "variable", "names"),
    [
        ({CUDA: "0,3"}, CUDA, ["0", "3"]),
        ({CUDA: "GPU-5d6a, GPU-77"}, CUDA, ["GPU-5d6a", "GPU-77"]),
        ({CUDA: "MIG-1,MIG-2", "SLURM_JOB_GPUS": "0"}, CUDA, ["MIG-1", "MIG-2"]),
        ({"SLURM_JOB_GPUS": "0-2,7"}, CUDA, ["0", "1", "2", "7"]),
        ({"SLURM_JOB_GPUS": "0-3", "SLURM_STEP_GPUS": "1"}, CUDA, ["1"]),
        ({CUDA: "1,2", "ROCR_VISIBLE_DEVICES": "1,2"}, CUDA, ["1", "2"]),
        ({"ROCR_VISIBLE_DEVICES": "0,1"}, "ROCR_VISIBLE_DEVICES", ["0", "1"]),
        ({"HIP_VISIBLE_DEVICES": "0,1"}, "HIP_VISIBLE_DEVICES", ["0", "1"]),
        ({CUDA: "-1", "SLURM_JOB_GPUS": "0,1"}, CUDA, []),
        ({CUDA: "NoDevFiles"}, CUDA, []),
        ({CUDA: ""}, CUDA, []),
        ({}, CUDA, []),
    ],
)
def test_they_are_as_the_site_hands_them_over(
    environment: dict[str, str], variable: str, names: list[str]
) -> None:
    assert given(environment) == Devices(variable, tuple(names))


@pytest.mark.parametrize(
    ("value", "servers", "each"),
    [
        ("0,1", 2, ["0", "1"]),
        ("0,1,2,3", 2, ["0,1", "2,3"]),
        ("0,1", 1, [None]),
        ("", 3, [None, None, None]),
    ],
)
def test_they_are_shared_out_evenly(
    monkeypatch: pytest.MonkeyPatch, value: str, servers: int, each: list[str | None]
) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(CUDA, value)
    shares = [of_server(number, servers) for number in range(servers)]
    assert [share and share.environment[CUDA] for share in shares] == each


@pytest.mark.parametrize(("value", "servers"), [("0", 2), ("0,1,2", 2)])
def test_or_refused(monkeypatch: pytest.MonkeyPatch, value: str, servers: int) -> None:
    monkeypatch.setenv(CUDA, value)
    with pytest.raises(NotemillError, match=f"can't be shared by {servers} servers"):
        of_server(0, servers)


@pytest.mark.parametrize(
    ("seen_on", "fits"), [("1", True), ("0", False), ("0 1", False), ("", True)]
)
def test_a_server_that_computes_on_anothers_gpu_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen_on: str, fits: bool
) -> None:
    """The driver's own program says on which GPUs it sees the server."""
    monkeypatch.setenv(CUDA, "0,1")
    driver = tmp_path / "nvidia-smi"
    driver.write_text(
        f"#!/bin/sh\nfor gpu in {seen_on}; do\n"
        f'  case "$4" in ""|$gpu) cat {tmp_path}/pid ;; esac\ndone\n'
    )
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    server = ServerProcess(command, os.environ, tmp_path / "log")
    try:
        (tmp_path / "pid").write_text(f"{next(iter(server.pids()))}\n")
        if fits:
            prove_own_gpus(OLLAMA, server, Devices(CUDA, ("1",)))
        else:
            with pytest.raises(NotemillError, match="on another GPU than its own, 1"):
                prove_own_gpus(OLLAMA, server, Devices(CUDA, ("1",)))
    finally:
        server._process.kill()
        server._process.wait()


def test_servers_are_those_that_a_job_starts_and_stage_has_something_to_copy() -> None:
    address = "https://models.example/v1"
    with pytest.raises(ValueError, match="an `address` is one"):
        OpenAiEngine(kind="openai", address=address, servers=2)
    with pytest.raises(ValueError, match="copies `weights`"):
        OpenAiEngine(kind="openai", address=address, stage={"to": "/scratch"})
    with pytest.raises(ValueError, match="copies `weights`"):
        OpenAiEngine(kind="openai", command=["vllm"], stage={"to": "/scratch"})
    with pytest.raises(ValueError, match="may not set CUDA_VISIBLE_DEVICES beside `servers`"):
        LlamaCppEngine(kind="llamacpp", weights="/w", servers=2, environment={CUDA: "0"})

"""notemill.engines.gpu"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from notemill.config import LlamaCppEngine, OpenAiEngine, Options
from notemill.engines.gpu import GpuUse, gpu_expected, gpus_in_use, prove_gpu
from notemill.engines.llamacpp.server import proven_llamacpp
from notemill.engines.process import ServerProcess
from notemill.engines.protocol import Start as EngineStart
from notemill.engines.record import ModelRecord
from notemill.errors import NotemillError
from notemill.tasks.task import read_task
from tests.unit.conftest import write_task

NAMES = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("value", "given"),
    [("0", True), ("GPU-5d6a", True), ("", False), ("-1", False), ("NoDevFiles", False)],
)
def test_a_job_that_was_given_a_gpu_must_use_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, given: bool
) -> None:
    assert not gpu_expected("auto")
    monkeypatch.setenv(name, value)
    assert gpu_expected("auto") is given
    assert gpu_expected("off") is False
    assert gpu_expected("required") is True


def test_one_may_be_required_of_a_job_without() -> None:
    assert gpu_expected("required")


Start = Callable[[str], ServerProcess]
NOT_SHOWN = "nothing shows that the engine uses the GPU"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers that have written what llama.cpp would."""
    started = []

    def start_one(words: str) -> ServerProcess:
        command = ["sh", "-c", f"echo '{words}'; exec sleep 1000"]
        started.append(server := ServerProcess(command, os.environ, tmp_path / "server.log"))
        while words not in server.output():
            time.sleep(0.01)
        return server

    yield start_one
    for server in started:
        server._process.kill()
        server._process.wait()


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the NVIDIA driver's own program says, in the file that it prints."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/pids\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    (tmp_path / "pids").write_text("")
    return tmp_path / "pids"


def engine(gpu: str = "required", **changes: object) -> OpenAiEngine:
    given = {"kind": "openai", "command": ["llama-server"], "gpu": gpu} | changes
    return OpenAiEngine.model_validate(given)


class TestAGpuThatIsRequired:
    def test_is_proven_by_what_llama_cpp_says_of_its_layers(self, start: Start) -> None:
        prove_gpu(engine(), start("load_tensors: offloaded 33/33 layers to GPU"))

    @pytest.mark.parametrize("layers", ["0/33", "32/33", "33/33 layers to GPU\noffloaded 1/9"])
    def test_is_missed_by_a_model_that_is_not_wholly_on_it(self, start: Start, layers: str) -> None:
        server = start(f"load_tensors: offloaded {layers} layers to GPU")
        with pytest.raises(NotemillError, match=r"only \d+ of \d+ layers") as refused:
            prove_gpu(engine(), server)
        assert "--n-gpu-layers" in refused.value.remedy

    def test_is_proven_by_the_driver_that_knows_the_servers_process(
        self, start: Start, driver: Path
    ) -> None:
        server = start("INFO Application startup complete.")
        driver.write_text("1\n")
        with pytest.raises(NotemillError, match=NOT_SHOWN):
            prove_gpu(engine(), server)
        driver.write_text(f"1\n{server._process.pid}\n")
        prove_gpu(engine(), server)

    def test_is_not_proven_by_silence(self, start: Start) -> None:
        with pytest.raises(NotemillError, match=NOT_SHOWN) as refused:
            prove_gpu(engine(), start("ready"))
        assert "gpu: auto" in refused.value.remedy


class TestAGpuThatWasGiven:
    @pytest.fixture(autouse=True)
    def given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")

    def test_must_be_used_where_the_engine_says_that_it_is_not(self, start: Start) -> None:
        server = start("load_tensors: offloaded 0/33 layers to GPU")
        with pytest.raises(NotemillError, match="only 0 of 33 layers"):
            prove_gpu(engine("auto"), server)
        prove_gpu(engine("off"), server)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({}, NOT_SHOWN),
            ({"command": None, "address": "https://h/v1"}, "stays idle: an engine at an address"),
        ],
    )
    def test_is_warned_of_where_nothing_shows_that_it_is_used(
        self,
        start: Start,
        changes: dict[str, object],
        words: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        server = None if "address" in changes else start("ready")
        with caplog.at_level(logging.WARNING):
            prove_gpu(engine("auto", **changes), server)
        assert words in caplog.text

    def test_is_said_to_stay_idle_by_the_embedded_engine(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_task(tmp_path)
        record = ModelRecord(engine="", model="m", digest="", weights_sha256="", recorded_at="")
        wanted = EngineStart(
            read_task(tmp_path, "cough"), Options(), record, tmp_path / "log", 1, 1
        )
        with caplog.at_level(logging.WARNING):
            proven_llamacpp(LlamaCppEngine(kind="llamacpp", weights=Path("/m.gguf")), wanted)
        assert "stays idle: the embedded llama.cpp" in caplog.text


def test_a_job_without_a_gpu_is_not_warned(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    prove_gpu(engine("auto"), start("load_tensors: offloaded 0/33 layers to GPU"))
    assert caplog.text == ""


def test_what_the_driver_can_not_tell_of_a_gpu_is_left_open(
    monkeypatch: pytest.MonkeyPatch, driver: Path, tmp_path: Path
) -> None:
    (tmp_path / "pids").write_text(
        "GPU-5d6a, 1024, 81559, 37, NVIDIA H100 80GB HBM3\n"
        "MIG-77aa, [N/A], 9856, [N/A], NVIDIA A100, MIG 1g.10gb\n"
        "No devices were found\n"
    )
    assert gpus_in_use() == []  # given none
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert gpus_in_use() == [
        GpuUse("GPU-5d6a", "NVIDIA H100 80GB HBM3", 1 << 30, 81559 << 20, 0.37),
        GpuUse("MIG-77aa", "NVIDIA A100, MIG 1g.10gb", None, 9856 << 20, None),
    ]

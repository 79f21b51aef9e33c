"""notemill.engines.gpu: which GPU a job has, and what it draws."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from notemill.config import Engine, LlamaCppEngine, OllamaEngine, OpenAiEngine
from notemill.engines import gpu
from notemill.engines.gpu import Gpu, Power, gpu_here

OLLAMA = OllamaEngine(kind="ollama", models=Path("/models"))


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The NVIDIA driver's own program; what it says of names and draws stands in two files."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
        f"case $1 in *name*) cat {tmp_path}/names ;; *power*) cat {tmp_path}/draws ;; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    (tmp_path / "names").write_text("NVIDIA L40S, 46068\n")
    (tmp_path / "draws").write_text("301.50\n")
    return tmp_path


def test_its_name_and_memory_are_the_drivers(driver: Path) -> None:
    assert gpu_here(OLLAMA) == Gpu("NVIDIA L40S", 46068)
    assert "-i 1" in (driver / "asked").read_text(), "another user's GPU is none of ours"


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("", Gpu("unknown GPU")),
        ("NVIDIA\udcff, 1\n", Gpu("NVIDIA\ufffd", 1)),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb, [N/A]\n", Gpu("NVIDIA A100-SXM4-40GB MIG 1g.5gb")),
        ("NVIDIA A100, 81920\nNVIDIA A100, 81920\n", Gpu("NVIDIA A100", 81920)),
    ],
)
def test_what_the_driver_can_not_tell_is_unknown(driver: Path, said: str, known: Gpu) -> None:
    (driver / "names").write_bytes(os.fsencode(said))
    assert gpu_here(OLLAMA) == known


@pytest.mark.parametrize(
    ("engine", "name"),
    [
        (LlamaCppEngine(kind="llamacpp", weights=Path("/m.gguf")), "CPU"),
        (OLLAMA.model_copy(update={"gpu": "off"}), "CPU"),
        (OpenAiEngine(kind="openai", address="https://h/v1"), "address"),
    ],
)
def test_an_engine_that_uses_none_has_none(driver: Path, engine: Engine, name: str) -> None:
    assert gpu_here(engine) == Gpu(name)


def test_a_job_without_a_gpu_asks_no_driver(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert gpu_here(OLLAMA) == Gpu("CPU")
    assert not (driver / "asked").exists()


def watched(wanted: int) -> Power:
    power = Power()

    async def work() -> None:
        async with power.watched():
            while len(power._draws) < wanted:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(work(), 30))
    return power


def test_its_draw_is_the_mean_over_the_work_and_the_sum_over_its_gpus(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "_POWER_EVERY_S", 0)
    assert watched(2).mean == 301.5
    (driver / "draws").write_text("100.25\n[N/A]\n200.25\n")
    assert watched(1).mean == 300.5


def test_a_draw_that_is_not_told_is_none(driver: Path) -> None:
    (driver / "draws").write_text("[N/A]\n")
    assert watched(0).mean is None

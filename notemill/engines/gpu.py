"""Whether this job was given a GPU, which one, and whether its server uses it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from statistics import mean
from typing import Literal, NamedTuple

from notemill.config import Engine, LlamaCppEngine, OpenAiEngine
from notemill.engines.devices import Devices, given
from notemill.engines.process import ServerProcess
from notemill.errors import NotemillError
from notemill.logs import log

_GIVEN = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
"""What llama.cpp says of each model that it loads, where it was built for a GPU."""
_ASK_S = 60
_POWER_EVERY_S = 2.0


class Gpu(NamedTuple):
    """What a job computes on. name: `CPU` without a GPU, `address` for servers elsewhere."""

    name: str
    memory_mib: int | None = None


def gpu_expected(setting: Literal["auto", "required", "off"]) -> bool:
    """Whether the model must be on a GPU: as set, or for auto when the job was given one."""
    if setting == "auto":
        return any(os.environ.get(name, "") not in ("", "-1", "NoDevFiles") for name in _GIVEN)
    return setting == "required"


def prove_gpu(
    engine: OpenAiEngine, server: ServerProcess | None, devices: Devices | None = None
) -> None:
    """Make sure that an OpenAI-compatible server computes on the GPU that it is expected to use.

    server: None for an address. devices: its own of the job's, None for all. Raises NotemillError
    when it does not, or when that is required and can't be proven; else what can't be proven is a
    warning.
    """
    if not gpu_expected(engine.gpu):
        return
    if server is None:
        log.warning(
            "the GPU that this job was given stays idle: an engine at an address does not use it"
        )
        return
    offloaded = [(int(n), int(of)) for n, of in _OFFLOADED.findall(server.output())]
    if any(layers < of for layers, of in offloaded):
        layers, of = min(offloaded)
        raise NotemillError(
            f"only {layers} of {of} layers of the model are on the GPU",
            where=f"{server.log}: what llama.cpp says of its layers",
            remedy="put them there (--n-gpu-layers 999); if memory is short: fewer slots, a "
            "smaller num_ctx, or a larger GPU. On purpose? Set the engine's gpu: off",
        )
    prove_own_gpus(engine, server, devices)
    if offloaded or server.pids() & _pids_on_gpus():
        return
    problem = "nothing shows that the engine uses the GPU"
    if engine.gpu == "required":
        raise NotemillError(
            problem,
            where="engines.*.gpu: required; looked for: `offloaded N/N layers to GPU` in the "
            "engine's log, and its processes in nvidia-smi",
            remedy="was the program built for this GPU, and does its container have it (--nv)? "
            "Where it can't be proven set gpu: auto, which warns, or off",
        )
    log.warning("%s (docs/engines.md): is it on the CPU?", problem)


def prove_own_gpus(engine: Engine, server: ServerProcess, devices: Devices | None) -> None:
    """Raise NotemillError when the driver sees the server on other GPUs than its own alone.

    Where the driver tells of no process of it, as of some containers, nothing is proven.
    """
    if devices is None or not gpu_expected(engine.gpu):
        return
    ours = server.pids()
    others = [name for name in given().names if name not in devices.names]
    elsewhere = ours & _pids_on_gpus(of=",".join(others)) if others else set()
    if elsewhere or (ours & _pids_on_gpus() and not ours & _pids_on_gpus(of=devices.listed)):
        raise NotemillError(
            f"the server computes on another GPU than its own, {devices.listed}",
            where="what nvidia-smi says of its processes; engines.*.command",
            remedy=f"the program, its container or a wrapper script does not heed "
            f"{devices.variable}: let it through, or set `servers: 1`",
        )


def gpu_here(engine: Engine) -> Gpu:
    """What an engine of this job computes on; of several GPUs the first one's name."""
    if not engine.computes_here or (isinstance(engine, OpenAiEngine) and engine.address):
        return Gpu("address")
    if isinstance(engine, LlamaCppEngine) or not gpu_expected(engine.gpu):
        return Gpu("CPU")
    query = "--query-gpu=name,memory.total"
    for line in _asked_driver(query, of=_own()) or _asked_driver(query):
        name, _, memory = line.rpartition(", ")
        if name:
            return Gpu(name, int(memory) if memory.isdigit() else None)
    return Gpu("unknown GPU")


def gpu_uuids(names: Sequence[str]) -> list[str]:
    """What the driver calls these GPUs, all for none; empty where it can't be asked."""
    return _asked_driver("--query-gpu=uuid", of=",".join(names))


class Power:
    """What this job's GPUs draw while `watched`. mean: watts of all, None where none tells."""

    def __init__(self) -> None:
        self._draws: list[float] = []

    @property
    def mean(self) -> float | None:
        return round(mean(self._draws), 1) if self._draws else None

    @asynccontextmanager
    async def watched(self, *, once: bool = True) -> AsyncIterator[None]:
        """Ask the driver every few seconds, as long as it answers. once: or another server does."""
        if not once:
            yield
            return
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        while gpu_expected("auto"):
            watts = 0.0
            for line in await asyncio.to_thread(_asked_driver, "--query-gpu=power.draw", of=_own()):
                with suppress(ValueError):  # [N/A] where a GPU can't tell
                    watts += float(line)
            if not watts:
                return
            self._draws.append(watts)
            await asyncio.sleep(_POWER_EVERY_S)


def _own() -> str:
    """The job's own GPUs as nvidia-smi takes them; empty for all that it sees."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return given if re.fullmatch(r"[\w,-]+", given) else ""


def _pids_on_gpus(*, of: str = "") -> set[int]:
    """Processes that the NVIDIA driver knows on this node's GPUs; none where it can't be asked."""
    lines = _asked_driver("--query-compute-apps=pid", of=of)
    return {int(line) for line in lines if line.isdigit()}


def _asked_driver(query: str, *, of: str = "") -> list[str]:
    """Lines of nvidia-smi's answer, without units; none where it can't be asked."""
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits", *(["-i", of] if of else [])]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=True, timeout=_ASK_S
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]

"""Whether this job was given a GPU, and whether its server uses it."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Literal

from notemill.config import OpenAiEngine
from notemill.engines.process import ServerProcess
from notemill.errors import NotemillError
from notemill.logs import log

_GIVEN = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
"""What llama.cpp says of each model that it loads, where it was built for a GPU."""
_PROCESSES = ["nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader"]
_ASK_S = 60


def gpu_expected(setting: Literal["auto", "required", "off"]) -> bool:
    """Whether the model must be on a GPU: as set, or for auto when the job was given one."""
    if setting == "auto":
        return any(os.environ.get(name, "") not in ("", "-1", "NoDevFiles") for name in _GIVEN)
    return setting == "required"


def prove_gpu(engine: OpenAiEngine, server: ServerProcess | None) -> None:
    """Make sure that an OpenAI-compatible server computes on the GPU that it is expected to use.

    server: None for an address. Raises NotemillError when it does not, or when that is required
    and can't be proven; else what can't be proven is a warning.
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


def _pids_on_gpus() -> set[int]:
    """Processes that the NVIDIA driver knows on this node's GPUs; none where it can't be asked."""
    try:
        done = subprocess.run(
            _PROCESSES, capture_output=True, text=True, check=True, timeout=_ASK_S
        )
    except (OSError, subprocess.SubprocessError):
        return set()
    return {int(line) for line in done.stdout.split() if line.isdigit()}

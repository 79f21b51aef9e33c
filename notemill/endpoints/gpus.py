"""One server a GPU: the second one would halve both, or fail for want of memory in the night."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from notemill.config import Engine, LlamaCppEngine
from notemill.engines.devices import Devices, given
from notemill.engines.gpu import gpu_uuids
from notemill.errors import NotemillError


@contextmanager
def held_gpus(engine: Engine, devices: Devices | None) -> Iterator[tuple[str, ...]]:
    """This server's GPUs, as its job names them, held against other servers of yours on this node.

    devices: its own of the job's, None for all. None for an engine that uses none. Raises
    NotemillError when another server has one of them. The kernel gives them back.
    """
    if isinstance(engine, LlamaCppEngine) or engine.gpu == "off":
        yield ()
        return
    names = (devices or given()).names
    uuids = gpu_uuids(names)
    with ExitStack() as held:
        for key in uuids or [f"{os.environ.get('SLURM_JOB_ID', '')} {name}" for name in names]:
            _hold(held, key, names)
        yield names or tuple(uuids)


def _hold(held: ExitStack, key: str, names: tuple[str, ...]) -> None:
    name = hashlib.sha256(f"{os.geteuid()} {key}".encode()).hexdigest()
    mark = held.enter_context(socket.socket(socket.AF_UNIX))
    try:
        mark.bind(f"\0notemill-gpu-{name}")
    except OSError:
        raise NotemillError(
            "another server of yours uses this GPU",
            where=f"GPU {', '.join(names) or key} of {os.uname().nodename}; `notemill servers` "
            "lists the servers",
            remedy="give this one a GPU of its own: in a Slurm job of its own, or by hand with "
            "CUDA_VISIBLE_DEVICES=1; or end the other one",
        ) from None

"""A job's GPUs, as Slurm hands them over, shared among its servers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from notemill.errors import NotemillError

_HIDDEN = ("-1", "NoDevFiles")
_BY_RUNTIME = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""NVIDIA's, which AMD's runtime heeds too where it is alone; then AMD's own."""
_BY_SLURM = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")


class Devices(NamedTuple):
    """GPUs of one server. variable: by which its runtime takes them; names: indexes or UUIDs."""

    variable: str
    names: tuple[str, ...]

    @property
    def listed(self) -> str:
        """As the variable has them."""
        return ",".join(self.names)

    @property
    def environment(self) -> dict[str, str]:
        """What a server's environment must say, whatever else does.

        Indexes mean what they mean to Slurm and nvidia-smi.
        """
        return {self.variable: self.listed, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def given(environment: Mapping[str, str] = os.environ) -> Devices:
    """The GPUs that this job was given; without names if none."""
    for variable in (*_BY_RUNTIME, *_BY_SLURM):
        value = environment.get(variable, "").strip()
        if value in _HIDDEN:
            break
        if value:
            slurms = variable in _BY_SLURM
            names = _spread(value) if slurms else [name.strip() for name in value.split(",")]
            return Devices(_BY_RUNTIME[0] if slurms else variable, tuple(filter(None, names)))
    return Devices(_BY_RUNTIME[0], ())


def of_server(server: int, servers: int) -> Devices | None:
    """The GPUs of one of a job's servers; None where it has all, or there are none.

    Raises NotemillError when they can't be shared out evenly.
    """
    devices = given()
    if servers == 1 or not devices.names:
        return None
    each, left = divmod(len(devices.names), servers)
    if left or not each:
        raise NotemillError(
            f"{len(devices.names)} GPUs can't be shared by {servers} servers",
            where=f"engines.*.servers: {servers}; {devices.variable} of this job has "
            f"{devices.listed}",
            remedy="`servers` asks for as many GPUs by itself: take `gpu`, `gpu_model` and `gres` "
            "out of the profile's set-resources, or give the job a multiple of `servers`; the cap "
            "on `gpu` below `resources` must be as high",
        )
    return devices._replace(names=devices.names[server * each :][:each])


def _spread(value: str) -> list[str]:
    """Slurm's list, in which 0-3 is four."""
    names = []
    for part in value.split(","):
        if match := re.fullmatch(r"(\d+)-(\d+)", part.strip()):
            names += [str(each) for each in range(int(match[1]), int(match[2]) + 1)]
        else:
            names.append(part.strip())
    return names

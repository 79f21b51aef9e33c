"""Whether this job was given a GPU."""

from __future__ import annotations

import os
from typing import Literal

_GIVEN = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")


def gpu_expected(setting: Literal["auto", "required", "off"]) -> bool:
    """Whether the model must be on a GPU: as set, or for auto when the job was given one."""
    if setting == "auto":
        return any(os.environ.get(name, "") not in ("", "-1", "NoDevFiles") for name in _GIVEN)
    return setting == "required"

"""What a repeat is to ask, and whether one was made: known without what asks and counts it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from notemill.files import read_json
from notemill.tasks.run import Run

SHARD = "repeat"
"""The repeat's name among shards."""
SAMPLING_SEED = 1
REMEDY = "delete it and run snakemake again with your profile: its texts are asked anew"
"""For a record that can't be read."""


class RepeatSettings(BaseModel):
    """What is asked again: `repeat` of the experiment. sampling_seed: of the draw."""

    model_config = ConfigDict(frozen=True)

    notes: int
    times: int
    seed: Literal["same", "other"]
    sampling_seed: int


class _Made(BaseModel):
    """Of a repeat's record what tells which one it is."""

    settings: RepeatSettings


def settings_of(run: Run) -> RepeatSettings:
    """What is to be asked again of a run."""
    repeat = run.experiment.repeat
    return RepeatSettings(
        notes=repeat.notes, times=repeat.times, seed=repeat.seed, sampling_seed=SAMPLING_SEED
    )


def made_with(path: Path) -> RepeatSettings:
    """What the repeat that there is was to ask. Raises NotemillError if there is none."""
    return read_json(_Made, path, problem="this is no repeat's record", remedy=REMEDY).settings

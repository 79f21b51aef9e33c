"""Which texts pilots asked: their answers were looked at while the prompt was written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from notemill.paths import Layout
from notemill.pilot.record import read_pilot
from notemill.tasks.run import Run

_FINGERPRINT = re.compile(r"-[0-9a-f]{12}\.json")


@dataclass(frozen=True)
class Piloted:
    """Texts (hex) that pilots asked, and how many pilots there were."""

    pilots: int
    texts: frozenset[str]

    def mask(self, texts: Sequence[str]) -> np.ndarray:
        """Whether a pilot asked each of these."""
        return np.array([text in self.texts for text in texts], bool)


def piloted(layout: Layout, cohort: str, run: Run) -> Piloted:
    """What pilots of experiments of this name asked: this prompt's and earlier ones'."""
    folder = layout.pilot(cohort, run.experiment_id).parent
    paths = [
        path
        for path in sorted(folder.glob(f"{run.name}-*.json"))
        if _FINGERPRINT.fullmatch(path.name.removeprefix(run.name))
    ]
    texts = {asked.text_sha256 for path in paths for asked in read_pilot(path).asked}
    return Piloted(len(paths), frozenset(texts))

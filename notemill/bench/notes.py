"""Texts to ask with: of a cohort's shard, or made up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from notemill.errors import NotemillError
from notemill.notes.texts import read_texts, text_bytes

_SENTENCES = (
    "Portable chest radiograph at the bedside.",
    "Comparison with the previous examination.",
    "The heart is normal in size.",
    "There is a patchy opacity at the left lower lobe.",
    "No pleural effusion and no pneumothorax.",
    "The mediastinal contours are unremarkable.",
    "Patient reports cough for {n} days, fever up to 38.{n} degrees.",
    "Temperature 36.{n}, pulse 7{n}, oxygen saturation 9{n} % on room air.",
    "Lungs are clear to auscultation on both sides.",
    "Findings are suspicious for consolidation, follow-up in {n} weeks.",
    "Continue with the present medication.",
    "Was seen today in the clinic together with the family.",
    "White cell count {n}.{n}, C-reactive protein {n}{n} mg/l.",
    "Discharged in good condition.",
)


def made_up(count: int, characters: int, seed: int = 0) -> list[str]:
    """So many texts of about so many characters, half as long to twice as long, all different."""
    rng = random.Random(seed)
    return list(_made_up(rng, count, characters))


def _made_up(rng: random.Random, count: int, characters: int) -> Iterator[str]:
    for number in range(count):
        length = round(characters * 2 ** rng.uniform(-1, 1))
        parts, size = [f"Examination {number + 1}."], 0
        while size < length:
            parts.append(rng.choice(_SENTENCES).replace("{n}", str(rng.randint(1, 9))))
            size += len(parts[-1]) + 1
        yield " ".join(parts)


def of_shard(notes: Path, count: int) -> list[str]:
    """Texts of a notes shard, so many at most, in its order. Raises NotemillError without one."""
    if not notes.exists():
        raise NotemillError(
            "this notes shard is not there",
            where=str(notes),
            remedy="`snakemake notes` with your profile makes the shards; or leave --cohort out, "
            "then notes are made up",
        )
    wanted = dict(list(text_bytes(notes).items())[:count])
    return [text for _, text in read_texts(notes, wanted)]

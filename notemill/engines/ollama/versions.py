"""Which versions of Ollama are known to behave, and what to say of the others."""

from __future__ import annotations

import re

from notemill.errors import EngineRefused

_KNOWN = (((0, 11, 0), (0, 24, 99)), ((0, 30, 1), (0, 33, 99)))
"""Up to 0.24 the engine lies within Ollama; from 0.30 it is llama-server. 0.30.0 itself counts
only the tokens that were not cached, so a cut prompt would go unseen."""


def check_version(version: str, accepted: str | None) -> None:
    """Raise EngineRefused for a version outside the known ranges, unless the user accepts it."""
    if version == accepted:
        return
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    number = tuple(map(int, match.groups())) if match else (0, 0, 0)
    if any(low <= number <= high for low, high in _KNOWN):
        return
    ranges = " and ".join(f"{_text(low)} to {_text(high, open_end=True)}" for low, high in _KNOWN)
    raise EngineRefused(
        f"Ollama {version} is not among the versions whose behaviour is known ({ranges})",
        where="engines.*.command",
        remedy=f'use one of those; or test this one and set engines.*.accept_version: "{version}"',
    )


def _text(version: tuple[int, int, int], *, open_end: bool = False) -> str:
    major, minor, patch = version
    return f"{major}.{minor}.{'x' if open_end else patch}"

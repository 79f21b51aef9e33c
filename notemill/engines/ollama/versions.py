"""Which versions of Ollama are known to behave, and which are known not to."""

from __future__ import annotations

import re

from notemill.errors import EngineRefused
from notemill.logs import log

_FLOOR = (0, 12, 6)
"""Older ones cut a prompt that is too long without a word."""
_BROKEN = {(0, 30, 0): "counts cached tokens as none, so a cut prompt would go unseen"}
_KNOWN = ((_FLOOR, (0, 24, 99)), ((0, 30, 1), (0, 33, 99)))
"""Up to 0.24 the engine lies within Ollama; from 0.30 it is llama-server."""


def check_version(version: str) -> None:
    """Raise EngineRefused for a version that is known to be broken; warn of an unknown one."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    number = (int(match[1]), int(match[2]), int(match[3])) if match else (0, 0, 0)
    known = f"known to behave are {' and '.join(f'{_text(*span)}' for span in _KNOWN)}"
    problem = _BROKEN.get(number)
    if (0, 0, 0) < number < _FLOOR:
        problem = "cuts prompts that are too long without a word"
    if problem:
        raise EngineRefused(
            f"Ollama {version} {problem}",
            where="engines.*.command",
            remedy=f"use another version; {known}",
        )
    if not any(low <= number <= high for low, high in _KNOWN):
        log.warning(
            "nobody here knows Ollama %s (%s): it must prove what docs/engines.md lists, and its "
            "number stands in every row",
            version,
            known,
        )


def _text(low: tuple[int, int, int], high: tuple[int, int, int]) -> str:
    return f"{'.'.join(map(str, low))} to {high[0]}.{high[1]}.x"

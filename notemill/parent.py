"""A process that is of no use without the one that started it."""

from __future__ import annotations

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_PRCTL = ctypes.CDLL(None).prctl
"""Looked up here: in a child of a process with threads the lookup could wait for ever."""


def end_with_parent() -> None:
    """Let this process get SIGTERM when the thread that started it ends, its process without a
    word too."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)

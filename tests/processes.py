"""Processes that come and go while they are looked at."""

from __future__ import annotations

from contextlib import suppress

import psutil


def command_of(process: psutil.Process) -> list[str]:
    """Its command line; empty once it has gone."""
    with suppress(psutil.Error):
        return list(process.cmdline())
    return []


def environment_of(process: psutil.Process) -> dict[str, str]:
    """Its environment; empty once it has gone."""
    with suppress(psutil.Error):
        return dict(process.environ())
    return {}


def below(number: int) -> list[psutil.Process]:
    """All that a process has started, and what these have; none once it has gone."""
    with suppress(psutil.Error):
        return list(psutil.Process(number).children(recursive=True))
    return []

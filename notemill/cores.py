"""No core dump of a process that holds notes, answers or a password: it would be a file of them."""

from __future__ import annotations

import resource
from contextlib import suppress

_NONE = 1
"""Bytes. Less than any core has; and where the kernel hands cores to a program (systemd-coredump,
apport), 1 is the limit at which it leaves that out: 0 is for files alone (core(5))."""


def without_core_dumps(process: int = 0) -> None:
    """Forbid them to a process, by default this one, and to all that it starts from now on.

    A limit that the site has set lower stays; a process that has ended is left alone.
    """
    with suppress(OSError, ValueError):
        _, hard = resource.prlimit(process, resource.RLIMIT_CORE)
        lower = _NONE if hard == resource.RLIM_INFINITY else min(hard, _NONE)
        resource.prlimit(process, resource.RLIMIT_CORE, (lower, lower))

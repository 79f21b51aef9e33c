"""What to say where notemill's environment is missing. Runs on any Python 3, imports nothing."""

from __future__ import annotations

import sys

from notemill.errors import NotemillError


def without_environment(missing: str) -> NotemillError:
    """The error for a Python that lacks `missing`, a package or a version of its own."""
    return NotemillError(
        f"this Python has no {missing}, which notemill needs",
        where=sys.executable,
        remedy="use notemill's environment: `. .venv/bin/activate` in its folder. To make it, "
        "there, with Python 3.11 or later: `python3 -m venv .venv && .venv/bin/pip install "
        "--require-hashes -r requirements.lock`",
    )

"""The time, as notemill writes it down."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")

"""What the tests of journals share, and those of the pool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from notemill.answers import asking, server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal's path."""
    return tmp_path / "answers" / "0001.journal.jsonl"


@pytest.fixture(scope="module")
def no_pauses() -> Iterator[None]:
    """The pool tries again at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "_PAUSE_AFTER_ERROR_S", 0)
        patch.setattr(server, "_FIRST_PAUSE_S", 0)
        yield

"""How far an asking is: a bar on a terminal, lines elsewhere (see test_notebook.py too)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from notemill import Session
from tests.unit.session.conftest import notes


def test_a_terminal_shows_a_bar(
    new_session: Callable[..., Session],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # Rich takes stderr for a terminal
    monkeypatch.setenv("COLUMNS", "100")
    new_session().ask(notes(3))
    out, err = capfd.readouterr()
    assert out == ""
    assert "━" in err
    assert "the engine starts" in err
    assert "3/3 texts" in err


def test_progress_can_be_turned_off(
    new_session: Callable[..., Session], capfd: pytest.CaptureFixture[str]
) -> None:
    new_session(progress=False).ask(notes(1))
    assert capfd.readouterr() == ("", "")

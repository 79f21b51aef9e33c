"""notemill.Session: asking that is interrupted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from notemill import Session
from notemill.errors import NotemillError
from tests.unit.engines.waiting import until
from tests.unit.session.conftest import (
    as_it_starts,
    meanwhile,
    notes,
    servers,
    work_of,
    write_site,
)

MEANWHILE = 300
"""Notes that are asked about for some seconds."""


def interrupt() -> None:
    """Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)  # the main thread is to meet it in its wait


def test_an_interrupt_ends_the_asking_and_leaves_engine_and_answers(
    new_session: Callable[..., Session],
) -> None:
    session = new_session()
    frame = notes(MEANWHILE)
    with meanwhile(session, interrupt), pytest.raises(KeyboardInterrupt):
        session.ask(frame)
    (server,) = servers()
    kept = dict(work_of(session)._answers)
    assert 0 < len(kept) < MEANWHILE
    part = session.ask(frame.head(len(kept)))
    assert set(part["status"]) == {"answered"}
    assert servers() == [server]
    assert all(work_of(session)._answers[sha] is outcome for sha, outcome in kept.items())


@pytest.mark.parametrize("closed", [True, False])
def test_an_interrupt_while_the_engine_starts_leaves_no_server_behind(
    new_session: Callable[..., Session], closed: bool
) -> None:
    session = new_session()
    with as_it_starts(interrupt), pytest.raises(KeyboardInterrupt):
        session.ask(notes(MEANWHILE))
    if closed:
        session.close()
        assert not servers()
    else:
        assert set(session.ask(notes(2))["status"]) == {"answered"}
        assert len(servers()) == 1


def test_a_start_that_failed_after_an_interrupt_is_made_anew(
    new_session: Callable[..., Session], site: Path
) -> None:
    write_site(site, setup=f"sleep 0.5; test -e {site}/repaired")
    session = new_session()
    with as_it_starts(interrupt), pytest.raises(KeyboardInterrupt):
        session.ask(notes(2))
    until(work_of(session)._engine._life.done)
    (site / "repaired").touch()
    assert set(session.ask(notes(2))["status"]) == {"answered"}


def test_an_error_in_the_with_block_ends_the_engine_in_the_midst_of_an_asking(
    new_session: Callable[..., Session],
) -> None:
    session = new_session()
    with ThreadPoolExecutor() as pool, pytest.raises(ZeroDivisionError), session:
        asking = pool.submit(session.ask, notes(MEANWHILE))
        until(lambda: bool(session._work and work_of(session)._answers))
        _ = 1 / 0
    assert not servers()
    with pytest.raises(NotemillError, match="the session is closed"):
        asking.result()

"""A session's engine: one for all that is asked, ended whatever happens to the session."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from pandas.testing import assert_frame_equal

from notemill import Session
from notemill.answers import server
from notemill.engines import process
from notemill.errors import NotemillError
from tests.unit.engines.waiting import until
from tests.unit.session.conftest import (
    REPOSITORY,
    in_site,
    meanwhile,
    notes,
    servers,
    work_of,
    write_site,
)

MEANWHILE = 300
"""Notes that are asked about for some seconds."""
FORGOTTEN = """
import os, signal, sys
import pandas, psutil
from notemill import Session
session = Session(experiment="cough", directory=sys.argv[1], threads=1)
session.ask(pandas.DataFrame({"note_text": ["No cough."]}))
children = psutil.Process().children()
(server,) = (each for each in children if not each.cmdline()[-3].endswith("afterwards.py"))
print(server.pid, flush=True)
"""
"""A program that does not close its session."""


def test_import_notemill_imports_nothing_more() -> None:
    """The Snakefile and every job do it; a session's packages come when it is asked for."""
    code = (
        "import sys; before = set(sys.modules); import notemill; notemill.__version__;"
        "assert set(sys.modules) - before == {'notemill'};"
        "assert not hasattr(notemill, 'Sessions')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


def test_all_askings_have_one_engine_and_a_text_that_is_answered_is_not_asked_again(
    new_session: Callable[..., Session], site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with new_session() as session:
        first = session.ask(notes(3))
        (server,) = servers()
        more = session.ask(notes(5).iloc[[4, 0, 0, 1, 4]])
        assert_frame_equal(more.iloc[[1, 3]], first.iloc[[0, 1]])
        assert servers() == [server]
        shown = capfd.readouterr()
        assert "3/3 texts" in shown.err
        assert "3/3 texts" in shown.err.partition("\n")[2]  # two of them answered before
        assert not any(text[:20] in shown.out + shown.err for text in notes(5)["note_text"])
    assert not server.is_running()
    left = [path for path in site.rglob("*") if path.is_file() and "config" not in path.parts]
    assert not left  # neither results, nor the log of an engine that did well


def test_an_engine_that_is_lost_between_askings_or_during_one_is_started_again(
    new_session: Callable[..., Session],
) -> None:
    session = new_session(progress=False)
    session.ask(notes(1))
    (first,) = servers()
    first.kill()
    assert set(session.ask(notes(4))["status"]) == {"answered"}
    (second,) = servers()
    with meanwhile(session, second.kill):
        answers = session.ask(notes(30, seed=6))
    assert set(answers["status"]) == {"answered"}
    (third,) = servers()
    assert len({first.pid, second.pid, third.pid}) == 3
    session.close()
    assert not third.is_running()
    assert session_log(session).exists()  # it may say why


def test_an_engine_that_stays_away_ends_the_asking_and_not_the_session(
    new_session: Callable[..., Session], site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_FIRST_PAUSE_S", 0)
    write_site(site, restarts=1)
    session = new_session()
    session.ask(notes(3))
    with (
        killed_again_and_again(),
        pytest.raises(NotemillError, match=r"engine|died|lost") as caught,
    ):
        session.ask(notes(MEANWHILE))
    told = "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert str(session_log(session)) in told
    assert not servers()
    assert set(session.ask(notes(6))["status"]) == {"answered"}
    assert len(servers()) == 1


def test_a_session_that_nothing_refers_to_any_more_ends_its_engine(site: Path) -> None:
    session = Session(**in_site(site))
    session.ask(notes(1))
    (server,) = servers()
    del session
    until(lambda: not server.is_running())


def test_an_engine_starts_when_that_of_a_session_thrown_away_has_ended(
    new_session: Callable[..., Session], site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a notebook's cell that makes a session is run again."""
    monkeypatch.setattr(process, "_STOP_S", 2)
    session = Session(**in_site(site))
    session.ask(notes(1))
    (server,) = servers()
    server.suspend()  # it takes its time to end
    session = new_session()
    session.ask(notes(1))
    assert not server.is_running()
    assert len(servers()) == 1


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_session_that_is_never_closed_ends_with_python(site: Path, end: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORGOTTEN + end, str(site)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    pid = int(done.stdout)
    until(lambda: not psutil.pid_exists(pid))
    assert done.returncode == (-signal.SIGKILL if end else 0), done.stderr
    left = list((site / "results" / "logs" / "session").iterdir())
    assert len(left) == (1 if end else 0)  # without a kill it is ended as by close()


def test_a_closed_session_says_so(new_session: Callable[..., Session]) -> None:
    session = new_session()
    assert "open" in repr(session)
    session.close()
    session.close()
    assert "closed" in repr(session)
    with pytest.raises(NotemillError, match="the session is closed"):
        session.ask(notes(0))
    with pytest.raises(NotemillError, match="the session is closed"), session:
        pass


def test_it_asks_inside_a_running_loop_as_in_a_notebook(
    new_session: Callable[..., Session],
) -> None:
    async def cell() -> set[str]:
        return set(new_session().ask(notes(2))["status"])

    assert asyncio.run(cell()) == {"answered"}


def test_two_sessions_at_once_and_two_threads_with_one_of_them(
    new_session: Callable[..., Session],
) -> None:
    one, other = new_session(), new_session(system_prompt="Read.", progress=False)
    with ThreadPoolExecutor() as pool:
        askings = [pool.submit(each.ask, notes(12)) for each in (one, other, one)]
        first, second, third = [asking.result() for asking in askings]
    assert_frame_equal(first, third)
    assert (first["prompt_tokens"] > second["prompt_tokens"]).all()
    assert len(servers()) == 2


def test_a_forked_process_is_told_that_the_session_is_not_its_own(
    new_session: Callable[..., Session],
) -> None:
    session = new_session()
    session.ask(notes(1))
    if (pid := os.fork()) == 0:
        status = 1
        try:
            session.ask(notes(2))
        except NotemillError as error:
            status = 0 if "closed" in error.what else 2
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    assert set(session.ask(notes(2))["status"]) == {"answered"}


@contextmanager
def killed_again_and_again() -> Iterator[None]:
    """Around an asking: whatever server comes up is killed."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.02):
            for each in servers():
                with suppress(psutil.NoSuchProcess):
                    each.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def session_log(session: Session) -> Path:
    path: Path = work_of(session).engine_log
    return path

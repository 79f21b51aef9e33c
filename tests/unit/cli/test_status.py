"""notemill.cli.status, and what notemill.status shows and draws"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from notemill.__main__ import main
from notemill.errors import NotemillError
from notemill.files import write_text
from notemill.status.report import Status
from notemill.status.words import hours, lasting, ranges, rate
from tests.unit.status.results import Results, long_ago

TOO_MANY = NotemillError("12 of 400 texts have no valid answer", remedy="correct the prompt")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path, shards=6).extracted()


def status(results: Results, *arguments: str) -> int:
    return main(["status", "--configfile", str(results.config_file), *arguments])


def finish(results: Results) -> None:
    """Everything is answered and loaded."""
    for entry in results.entries:
        long_ago(results.result(entry.name))
        results.ends(entry.name, *["answered"] * 10)
    write_text(results.layout.load("chest", results.run.experiment_id), "{}")


def test_a_pipe_gets_plain_whole_lines(
    results: Results, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    results.job("0000", "answered", "schema")
    silent = results.job("0001", "answered")
    long_ago(silent)
    error = NotemillError("it broke " + "x" * 300 + "\x1b[31m", remedy="mend " + "y" * 300)
    results.ends("0002", "timeout", error=error)
    assert status(results) == 0
    told = capsys.readouterr().out
    assert told.isascii()
    assert all(letter.isprintable() or letter == "\n" for letter in told)
    assert "it broke " + "x" * 300 in told
    assert "what to do: mend " + "y" * 300 in told
    lines = [line.rstrip() for line in told.splitlines()]
    assert lines == told.splitlines()
    assert "  60 texts: 2 answered, 1 failed (schema 1), 57 left" in lines
    assert "6 shards: 1 running, 1 silent, 1 failed, 3 waiting; pilot waiting" in told
    assert next(line for line in lines if line.startswith("  0000 ")).split()[-2:] == ["s", "ago"]
    since = datetime.fromtimestamp(silent.stat().st_mtime, UTC)
    assert f"{since:%Y-%m-%d %H:%M} UTC, " in next(
        line for line in lines if line.startswith("  0001 ")
    )


def test_shards_that_failed_alike_are_told_once(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, shard in enumerate(("0000", "0001", "0002", "0004")):
        error = NotemillError(f"{number} of 10 texts have no valid answer", remedy="mend it")
        results.ends(shard, "schema", error=error)
    assert status(results) == 0
    told = capsys.readouterr().out
    assert "failed 0000-0002, 0004 (4 shards): 0 of 10 texts have" in told
    assert "(texts failed: schema 4)" in told
    assert told.count("what to do: mend it") == 1


def test_json_is_the_documented_object(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    results.job("0000", "answered")
    assert status(results, "--json") == 0
    told = capsys.readouterr().out
    assert Status.model_validate_json(told)
    page = (Path(__file__).parents[3] / "docs" / "status.md").read_text()
    names: set[str] = set()

    def collect(value: object) -> None:
        if isinstance(value, dict):
            names.update(value)
            any(map(collect, value.values()))
        elif isinstance(value, list):
            any(map(collect, value))

    collect(json.loads(told))
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_a_picture_is_whole_and_runs_nothing(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "pictures" / "run.svg"
    for arrange in (lambda: None, lambda: results.job("0000", "answered"), lambda: finish(results)):
        arrange()
        assert status(results, "--svg", str(picture)) == 0
        root = ElementTree.fromstring(picture.read_text())
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "title", "desc", "style", "text", "line", "path"}
        assert "prefers-color-scheme: dark" in picture.read_text()
        assert "http" not in picture.read_text().replace("http://www.w3.org/2000/svg", "")
    assert "shards done, of 6" in picture.read_text()
    assert picture.stat().st_mode & 0o777 == 0o600


def test_a_picture_is_named_from_here(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert status(results, "--directory", str(tmp_path), "--svg", "run.svg") == 0
    assert (tmp_path / "here" / "run.svg").exists()


def test_watching_goes_on_until_all_is_loaded(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    results.job("0000", "answered")
    later = threading.Timer(0.4, finish, [results])
    later.start()
    assert status(results, "--watch", "0.1") == 0
    later.join()
    told = capsys.readouterr().out
    assert "60 texts: 1 answered" in told
    assert told.rstrip().splitlines()[-1].startswith("everything is done and loaded")


@pytest.mark.parametrize("arguments", [["--watch", "0"], ["--watch", "x"], ["--watch", "--json"]])
def test_arguments_that_make_no_sense_are_refused(results: Results, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        status(results, *arguments)
    assert ending.value.code == 2


def test_a_configuration_that_is_wrong_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--configfile", str(tmp_path / "absent.yaml")]) == 1
    assert "--configfile" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_gets_lines_that_fit_and_ctrl_c_leaves(results: Results, columns: int) -> None:
    for number in range(3):
        results.job(f"000{number}", "answered", "schema")
    results.ends("0004", error=TOO_MANY)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = [sys.executable, "-m", "notemill", "status", "--watch", "0.2"]
    environment = os.environ | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    environment = {k: v for k, v in environment.items() if k not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [*command, "--configfile", str(results.config_file)],
        cwd=Path(__file__).parents[3],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    told = b""
    while told.count(b"3 running") < 2:
        told += os.read(ours, 65536)
    process.send_signal(2)
    ending = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < ending:
        try:
            told += os.read(ours, 65536)
        except OSError:
            break
    assert process.wait(60) == 0
    os.close(ours)
    text = told.decode()
    assert "Traceback" not in text
    assert "\x1b[" in text
    assert "━" in text
    assert "what to do: correct the prompt" in text
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").split("\n")
    assert max(map(len, lines)) <= columns


def test_numbers_are_said_with_the_digits_that_mean_something() -> None:
    assert [lasting(s) for s in (0, 59.4, 60, 3599, 7500, 90_000)] == [
        "0 s",
        "59 s",
        "1 min",
        "59 min",
        "2 h 05 min",
        "1 d 1 h",
    ]
    assert [rate(r) for r in (0.049, 3.14, 12_345.6)] == ["0.05", "3.1", "12,346"]
    assert [hours(h) for h in (0.0, 0.00123, 3.14, 12_345.6)] == ["0", "0.0012", "3.1", "12,346"]
    assert ranges(["0001", "0002", "0004", "pilot"]) == "0001-0002, 0004, pilot"
    assert ranges([]) == ""

"""notemill.status.bar: drawn on a real terminal on which others write, and read as one shows it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from notemill.status.bar import line
from tests.unit.status.results import Results, long_ago

REPOSITORY = Path(__file__).parents[3]
ROWS, COLUMNS = 12, 80
WRITER = """
import subprocess, sys, time, yaml
from notemill.config import read_config
from notemill.plan.runs import plan_runs
from notemill.status import bar
bar._EVERY_S = 0.02
config = read_config(yaml.safe_load(open(sys.argv[1])))
bar.show_bar(config, plan_runs(config))
child = "import time\\nfor n in range(30): print(f'child {n}', flush=True); time.sleep(0.01)"
children = [subprocess.Popen([sys.executable, "-c", child]) for _ in range(2)]
for number in range(30):
    print("half a ", end="", flush=True)
    time.sleep(0.01)
    print(f"line {number}", file=sys.stderr, flush=True)
for each in children:
    each.wait()
time.sleep(0.2)
"""


class Screen:
    """A terminal, as far as the bar and plain lines ask for one. gone: lines scrolled off."""

    def __init__(self) -> None:
        self.rows = [""] * ROWS
        self.gone: list[str] = []
        self.at = self.column = 0
        self.saved = (0, 0)
        self.last = ROWS - 1
        self.bars: set[str] = set()

    def feed(self, text: str) -> None:
        for token in re.findall(r"\x1b[78]|\x1b\[[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
            self._obey(token)

    def _obey(self, token: str) -> None:
        if token == "\x1b7":
            self.saved = self.at, self.column
        elif token == "\x1b8":
            self.at, self.column = self.saved
        elif token == "\r":
            self.column = 0
        elif token == "\n":
            self._down()
        elif token.startswith("\x1b["):
            self._order(token[2:-1], token[-1])
        else:
            row = self.rows[self.at].ljust(self.column)
            self.rows[self.at] = row[: self.column] + token + row[self.column + len(token) :]
            self.column += len(token)
            if self.at == ROWS - 1 and self.last < self.at:
                self.bars.add(token)

    def _down(self) -> None:
        if self.at == self.last:
            self.gone.append(self.rows.pop(0))
            self.rows.insert(self.last, "")
        elif self.at < ROWS - 1:
            self.at += 1

    def _order(self, numbers: str, letter: str) -> None:
        values = [int(number) for number in numbers.split(";") if number]
        match letter:
            case "H":
                self.at, self.column = (values[0] - 1, values[1] - 1) if values else (0, 0)
            case "K":
                self.rows[self.at] = ""
            case "A":
                self.at -= values[0]
            case "r":
                self.last = values[1] - 1 if values else ROWS - 1
                self.at = self.column = 0
            case _:
                raise AssertionError(letter)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path).extracted()


def on_a_terminal(results: Results, **environment: str) -> str:
    """What a process that shows the bar, and its children, write to their terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    known = {"TERM": "xterm", "PYTHONIOENCODING": "utf-8", "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(results.config_file)],
        env=os.environ | known | environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    told = b""
    while True:
        try:
            if not (more := os.read(ours, 65536)):
                break
        except OSError:
            break
        told += more
    os.close(ours)
    assert process.wait(60) == 0
    return told.decode()


def test_the_bar_meets_no_ones_lines(results: Results) -> None:
    results.job("0000", "answered", "schema")
    told = on_a_terminal(results)
    screen = Screen()
    screen.feed(told)
    bar = line(results.status(), COLUMNS - 1, fancy=True)
    assert screen.bars == {bar}
    lines = [row.rstrip() for row in screen.gone + screen.rows if row.strip()]
    assert not any("━" in row or "─" in row for row in lines)
    told_lines = re.findall(r"line (\d+)", "\n".join(lines))  # a child's may stand behind one
    assert list(map(int, told_lines)) == list(range(30))
    assert "".join(lines).count("child") == 60
    # At the end all rows are everyone's again.
    assert screen.last == ROWS - 1
    assert screen.rows[ROWS - 1] == ""


def test_a_terminal_that_can_not_have_one_gets_none(results: Results) -> None:
    results.job("0000", "answered")
    assert "\x1b" not in on_a_terminal(results, TERM="dumb")


def test_without_a_terminal_nothing_is_drawn(results: Results) -> None:
    results.job("0000", "answered")
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(results.config_file)],
        env=os.environ | {"TERM": "xterm", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b" not in done.stdout + done.stderr
    assert "line 29" in done.stderr


def test_the_bar_tells_the_whole_run(tmp_path: Path) -> None:
    results = Results(tmp_path)
    assert line(results.status(), 79, fancy=True) == "notemill: before the first note is asked"
    results.extracted()
    results.job("0000", *["answered"] * 9, "schema")
    assert line(results.status(), 79, fancy=False).startswith(
        "#######....................... 25 %  10/40 texts  1 failed  0/4 shards"
    )
    for entry in results.entries:
        long_ago(results.result(entry.name))
        results.ends(entry.name, *["answered"] * 10)
    assert line(results.status(), 79, fancy=False) == f"{'#' * 30} 100 %  40/40 texts  4/4 shards"
    assert all(len(line(results.status(), width, fancy=True)) <= width for width in range(90))

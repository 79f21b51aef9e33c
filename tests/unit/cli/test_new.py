"""notemill.cli.new, at a terminal and without one"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

from notemill.__main__ import main
from notemill.tasks.schema_check import check_schema
from notemill.tasks.task import read_task
from tests.unit.conftest import config_values, names_in, write_task

REPOSITORY = Path(__file__).parents[3]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, and no terminal."""
    monkeypatch.chdir(tmp_path)
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield tmp_path


def new(*arguments: str) -> int:
    return main(["new", "task", *arguments])


def test_without_a_terminal_options_say_what_is_asked(project: Path, capsys: Capture) -> None:
    options = ["--question", "Which side?", "--answers", "left", "--answers", "right"]
    assert new("side", *options, "--no-evidence", "--unsure", "", "--role", "You look.") == 0
    task = read_task(project / "config" / "tasks", "side")
    check_schema(task)
    assert task.json_schema["properties"]["response"]["enum"] == ["left", "right"]
    assert list(task.json_schema["properties"]) == ["response"]
    assert task.system_prompt.startswith("You look.\n\nQuestion: Which side?\n")
    assert new("side", "--defaults") == 1
    assert str(Path("config/tasks/side")) in capsys.readouterr().err


def test_sentences_are_numbered_where_that_is_asked_for(project: Path, capsys: Capture) -> None:
    options = ["--defaults", "--numbered-sentences"]
    assert new("side", *options, "--no-evidence") == 1
    assert "leave out one of them" in capsys.readouterr().err
    assert new("side", *options) == 0
    assert "system.md, user.md, schema.py, task.yaml" in capsys.readouterr().out
    task = read_task(project / "config" / "tasks", "side")
    check_schema(task)
    assert task.evidence
    assert task.evidence.numbered


def test_the_block_that_it_shows_is_one_that_the_check_takes(
    project: Path, capsys: Capture
) -> None:
    """Pasted below `experiments:`, beside what was there."""
    write_task(project / "mine")
    engines = {"local": {"kind": "ollama", "models": str(project / "store"), "pull": True}}
    values = config_values(tasks="mine", results=str(project / "results"), engines=engines)
    file = project / "my.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    for name in ("fever", "cough"):
        (project / "mine" / name).rename(project / "aside") if name == "cough" else None
        assert new(name, "--defaults", "--configfile", str(file)) == 0
        told = capsys.readouterr().out
        block = told.partition("`experiments:`\n")[2].partition("\n3. ")[0]
        values["experiments"] |= yaml.safe_load(block)
        file.write_text(yaml.safe_dump(values, sort_keys=False))
        assert main(["check", "--configfile", str(file)]) == 0
    assert list(values["experiments"]) == ["cough", "fever", "cough_2"]
    assert "m:1 over chest" in capsys.readouterr().out


def test_the_block_names_a_file_where_there_is_no_database(project: Path, capsys: Capture) -> None:
    write_task(project / "mine")
    cohort = {"files": str(project / "in.csv"), "id_columns": ["visit"], "text_column": "note"}
    (project / "in.csv").write_text("visit,note\n1,one\n")
    values = config_values(tasks="mine", results=str(project / "results"))
    del values["database"], values["experiments"]["cough"]["results_table"]
    values["experiments"]["cough"]["outputs"] = str(project / "out" / "cough.csv")
    values["cohorts"] = {"chest": cohort}
    file = project / "my.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    assert new("fever", "--defaults", "--configfile", str(file)) == 0
    block = capsys.readouterr().out.partition("`experiments:`\n")[2].partition("\n3. ")[0]
    values["experiments"] |= yaml.safe_load(block)
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    main(["check", "--configfile", str(file)])
    assert "answers go to answers/chest/fever.csv" in capsys.readouterr().out


def test_the_tasks_are_the_configurations_or_those_named(project: Path, capsys: Capture) -> None:
    (project / "config").mkdir()
    (project / "config" / "config.yaml").write_text(yaml.safe_dump(config_values(tasks="mine")))
    assert new("fever", "--defaults") == 0
    assert names_in(project / "mine") == ["fever"]
    assert new("fever", "--defaults", "--tasks", "others") == 0
    assert "`tasks: others`" in capsys.readouterr().out
    (project / "config" / "config.yaml").write_text("a: [")
    assert new("chills", "--defaults") == 1
    assert "not YAML" in capsys.readouterr().err
    assert new("chills", "--defaults", "--tasks", "others") == 0
    assert names_in(project / "others") == ["chills", "fever"]


def test_it_goes_where_snakemake_would_work(project: Path) -> None:
    (project / "there").mkdir()
    assert new("fever", "--defaults", "-d", "there") == 0
    assert names_in(project / "there" / "config" / "tasks") == ["fever"]


def test_a_configuration_that_is_named_must_be_there(project: Path, capsys: Capture) -> None:
    assert new("fever", "--defaults", "--configfile", "absent.yaml") == 1
    assert "absent.yaml" in capsys.readouterr().err
    assert names_in(project) == []


@pytest.mark.parametrize(
    "options",
    [
        ["9", "--defaults"],
        ["fever", "--answers", ""],
        ["fever", "--answers", "a"],
        ["fever", "--answers", "a", "--answers", "a\x00"],
        ["fever", "--question", " "],
        ["fever", "--role", "\udc80"],
    ],
)
def test_what_cant_be_ends_in_a_message_and_leaves_nothing(
    project: Path, capsys: Capture, options: list[str]
) -> None:
    assert new(*options) == 1
    assert "what to do:" in capsys.readouterr().err
    assert names_in(project) == []


class Terminal:
    """`notemill new task fever` at a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._own, its = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "notemill", "new", "task", "fever", *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), "TERM": "dumb"},
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
        )
        os.close(its)
        self.told = ""
        self._read = 0

    def until(self, words: str) -> None:
        """Read what it tells, to the end of these words."""
        while words not in self.told[self._read :]:
            assert self._hear(), self.told
        self._read = self.told.index(words, self._read) + len(words)

    def _hear(self, patience_s: float = 60) -> bool:
        """Read what it tells next; whether there was something."""
        if not select.select([self._own], [], [], patience_s)[0]:
            return False
        try:
            part = os.read(self._own, 4096)
        except OSError:  # the other end is closed
            return False
        self.told += part.decode(errors="replace")
        return bool(part)

    def type(self, *lines: str) -> None:
        """Type lines, each when it is asked for one."""
        for line in lines:
            self.until("> ")
            os.write(self._own, line.encode() + b"\n")

    def press(self, key: bytes) -> None:
        """Press a key until it ends: Python may miss a Ctrl-C just before it begins to read."""
        self.until("> ")
        for _ in range(60):
            with suppress(OSError):
                os.write(self._own, key)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
                return

    def end(self) -> int:
        """Its exit status."""
        while self._hear():
            pass
        return self.process.wait(60)


@contextmanager
def terminal(folder: Path, *arguments: str) -> Iterator[Terminal]:
    opened = Terminal(folder, *arguments)
    try:
        yield opened
    finally:
        opened.process.kill()
        opened.process.wait()


def test_at_a_terminal_five_questions_are_asked(tmp_path: Path) -> None:
    """What can't be is asked again, an empty line takes the default that is shown."""
    with terminal(tmp_path) as asked:
        asked.until("[Does the note say that the patient has fever now?]")
        asked.type("Fever above 38°?", "")
        asked.type("often", "")
        asked.until("none to choose from")
        asked.type("often", "never", "")
        asked.until("[yes]")
        asked.type("perhaps", "n")
        asked.until("[not stated]")
        asked.type("unknown")
        assert asked.end() == 0, asked.told
    task = read_task(tmp_path / "config" / "tasks", "fever")
    assert "Question: Fever above 38°?" in task.system_prompt
    assert task.system_prompt.startswith("You are a careful clinical reader.")
    assert task.json_schema["properties"]["response"]["enum"] == ["often", "never", "unknown"]
    assert list(task.json_schema["properties"]) == ["response"]


@pytest.mark.parametrize(("key", "status"), [(b"\x04", 1), (b"\x03", 130)])
def test_ctrl_c_or_the_end_of_input_leaves_nothing_behind(
    tmp_path: Path, key: bytes, status: int
) -> None:
    with terminal(tmp_path) as asked:
        asked.type("Fever?")
        asked.press(key)
        assert asked.end() == status, asked.told
    assert "Traceback" not in asked.told
    assert names_in(tmp_path) == []


def test_a_question_whose_option_is_given_is_not_asked(tmp_path: Path) -> None:
    options = ["--question", "Q?", "--role", "R.", "--evidence", "--unsure", "unknown"]
    with terminal(tmp_path, *options) as asked:
        asked.type("number")
        assert asked.end() == 0, asked.told
    task = read_task(tmp_path / "config" / "tasks", "fever")
    assert task.json_schema["properties"]["response"]["anyOf"][0] == {"type": "integer"}

"""notemill.__main__, notemill.cli.commands and notemill.cli.summary"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from notemill.__main__ import main
from notemill.load.report import LoadReport
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from tests.servers.standin import store
from tests.unit.conftest import config, config_values, write_task


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    write_task(tmp_path / "tasks")
    folders = {"results": str(tmp_path / "results"), "tasks": str(tmp_path / "tasks")}
    store.make_model(tmp_path / "store", "m:1")
    engine = {"kind": "ollama", "models": str(tmp_path / "store")}
    return config_values(**folders, engines={"local": engine})


def run(command: str, tmp_path: Path, content: Any) -> int:
    path = tmp_path / "my.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return main([command, "--configfile", str(path)])


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_check_says_what_would_run(
    tmp_path: Path, values: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", tmp_path, values) == 0
    (planned,) = plan_runs(config(tasks=values["tasks"]))
    assert f"ok       experiment {planned.experiment_id}: m:1 over chest\n" in told(capsys)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [\nb: 1", "is not YAML"),
        ("a: b: c", "line 1, column 5"),
        ("a: \x00", "is not YAML"),
        ("", "does not fit"),
        ("databse: {}", "did you mean 'database'?"),
    ],
)
def test_a_wrong_configuration_ends_in_one_message(
    tmp_path: Path, content: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("check", "summary"):
        assert run(command, tmp_path, content) == 1
        printed = capsys.readouterr()
        said = printed.out if command == "check" else printed.err
        assert words in said
        assert str(tmp_path / "my.yaml") in said
        assert said.count("what to do:") == 1


def test_a_missing_configuration_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--configfile", str(tmp_path / "absent.yaml")]) == 1
    assert "--configfile" in told(capsys)


def test_a_configuration_in_another_encoding_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.yaml").write_bytes("a: caf\xe9".encode("latin-1"))
    assert main(["check", "--configfile", str(tmp_path / "my.yaml")]) == 1
    assert "not UTF-8" in told(capsys)


def test_the_check_goes_where_snakemake_would_work(
    tmp_path: Path,
    values: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A configuration that is named is found from here, one that is not and all paths from
    there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.yaml").write_text(yaml.safe_dump(values | {"tasks": "tasks"}))
    (tmp_path / "there").mkdir()
    arguments = ["check", "--directory", "there", "--configfile", "here.yaml"]
    assert main(arguments) == 1
    assert str(tmp_path / "there" / "tasks") in told(capsys)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").rename(tmp_path / "there" / "tasks")
    assert main(arguments) == 0
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there" / "config").mkdir()
    (tmp_path / "here.yaml").rename(tmp_path / "there" / "config" / "config.yaml")
    assert main(["check", "-d", "there"]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(["check", "-d", "absent"]) == 1
    assert "correct --directory" in told(capsys)


def test_results_that_are_no_folder_are_refused_by_the_check(
    tmp_path: Path, values: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(values["results"]).write_text("a file")
    assert run("check", tmp_path, values) == 1
    assert "is a file, not a folder" in told(capsys)
    Path(values["results"]).unlink()
    Path(values["results"]).symlink_to(tmp_path / "nowhere")
    assert run("check", tmp_path, values) == 1
    assert "a link that leads nowhere" in told(capsys)


def test_the_check_says_what_a_user_wants_to_know_before(
    tmp_path: Path, values: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    values["cohorts"]["chest"]["query"] = "SELECT visit, note FROM clinic.R"
    assert run("check", tmp_path, values) == 0
    assert "\nwarning  the query of cohort 'chest' names r, which exp" in told(capsys)


def test_without_the_environment_one_message_says_how_to_make_it(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    done = subprocess.run(
        [tmp_path / "bare" / "bin" / "python", "-m", "notemill", "check"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "this Python has no package '" in done.stderr
    assert "pip install --require-hashes -r requirements.lock" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path, values: dict[str, Any]) -> None:
    """As in `notemill check --json | head`."""
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(values))
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, "-m", "notemill", "check", "--json", "--configfile", path],
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_schema_that_engines_ignore_is_refused_by_the_check(
    tmp_path: Path, values: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    schema = "from pydantic import BaseModel\nclass Answer(BaseModel):\n    x: int = 1\n"
    write_task(tmp_path / "tasks", schema)
    assert run("check", tmp_path, values) == 1
    assert "Answer.x: has a default" in told(capsys)


def test_the_summary_tells_the_loads_that_have_ended(
    tmp_path: Path, values: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("summary", tmp_path, values) == 0
    assert "Nothing is loaded yet" in capsys.readouterr().out

    (planned,) = plan_runs(config(tasks=values["tasks"]))
    path = Layout(Path(values["results"])).load("chest", planned.experiment_id)
    LoadReport(
        cohort="chest",
        experiment=planned.experiment_id,
        results_table="r",
        failures_table="r_failures",
        rows=12,
        notes=10,
        texts=8,
        answered=6,
        failed=3,
        failed_by_status={"schema": 1, "timeout": 2},
        blank=1,
        removed=2,
        values_compared=180,
        asked=8,
        job_seconds=4.0,
        tokens=100,
        load_seconds=0.1,
        evidence={"exact": 5, "near": 1, "absent": 0},
    ).write(path)
    assert run("summary", tmp_path, values) == 0
    table = " ".join(told(capsys).replace("│", " ").split())
    for words in ("failed: schema 1", "failed: timeout 2", "accounted for 10 of 10", "job 2.00"):
        assert words in table
    for words in ("evidence: exact 5 (83.3%)", "evidence: near 1", "evidence: absent 0"):
        assert words in table
    for words in ("values read back and equal 180", "rows removed 2"):
        assert words in table

    path.write_text("{}")
    assert run("summary", tmp_path, values) == 1
    assert "no load report" in capsys.readouterr().err


def test_what_a_full_disk_does_not_take_of_what_is_printed_is_one_message(
    values: dict[str, Any], tmp_path: Path
) -> None:
    """/dev/full is a file on one."""
    file = tmp_path / "my.yaml"
    file.write_text(yaml.safe_dump(values))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "notemill", "summary", "--configfile", str(file)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        "no space is left for what this command prints (disk full or quota reached)",
    )
    assert len(done.stderr.splitlines()) == 3

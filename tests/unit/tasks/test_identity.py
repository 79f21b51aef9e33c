"""notemill.tasks.identity: what makes new results and what keeps the old ones."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notemill.config import Engine, LlamaCppEngine, OllamaEngine, OpenAiEngine
from notemill.plan.runs import plan_runs
from notemill.tasks import identity as identity_module
from notemill.tasks.identity import fingerprint
from notemill.tasks.task import Task, read_task
from tests.unit.conftest import SCHEMA, config, config_values, write_task

EXPERIMENT = config_values()["experiments"]["cough"]


ENGINES: dict[str, Engine] = {
    "ollama": OllamaEngine(kind="ollama", models=Path("store")),
    "openai": OpenAiEngine(kind="openai", command=["server"], weights=Path("model.gguf")),
    "llamacpp": LlamaCppEngine(kind="llamacpp", weights=Path("model.gguf")),
    "half": OllamaEngine(kind="ollama", models=Path("store"), kv_cache_type="q8_0"),
}


def identity(task: Task, engine_kind: str = "ollama", **changes: Any) -> str:
    experiment = config(experiments={"cough": EXPERIMENT | changes}).experiments["cough"]
    return fingerprint(experiment, ENGINES[engine_kind], task)


def test_it_is_short_and_always_the_same(task: Task) -> None:
    assert len(identity(task)) == 12
    assert int(identity(task), 16)
    assert identity(task) == identity(replace(task))


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "m:2"},
        {"digest": "0" * 64},
        {"attempts": 2},
        {"options": {"num_ctx": 8192}},
        {"options": {"num_predict": 128}},
        {"options": {"temperature": 0.1}},
        {"options": {"seed": 2}},
        {"options": {"top_k": 1}},
        {"options": {"top_p": 0.5}},
        {"options": {"min_p": 0.1}},
        {"options": {"repeat_penalty": 1.1}},
        {"options": {"think": False}},
        {"options": {"extra": {"mirostat": 1}}},
    ],
)
def test_what_can_change_an_answer_changes_it(task: Task, changes: dict[str, Any]) -> None:
    assert identity(task, **changes) != identity(task)


def test_another_kind_of_engine_or_precision_changes_it(task: Task) -> None:
    assert len({identity(task, kind) for kind in ENGINES}) == len(ENGINES)


@pytest.mark.parametrize(
    "changes",
    [{"system": "You read."}, {"user": "Look:\n{note}"}, {"schema": SCHEMA + "# longer\n"}],
)
def test_an_edited_task_changes_it(tmp_path: Path, changes: dict[str, str]) -> None:
    before = identity(write_task(tmp_path))
    assert identity(write_task(tmp_path, **changes)) != before


@pytest.mark.parametrize(
    "changes",
    [
        {"results_table": "other"},
        {"failures_table": "other"},
        {"answer_prefix": "x_"},
        {"max_failed_share": 0.5},
        {"cohorts": ["chest"]},
        {"options": {"seed": 1}},  # the default, written out
    ],
)
def test_what_cannot_change_an_answer_leaves_it(task: Task, changes: dict[str, Any]) -> None:
    assert identity(task, **changes) == identity(task)


@pytest.mark.parametrize(
    "engine",
    [
        {"models": "/elsewhere"},
        {"command": ["/opt/ollama"]},
        {"slots": 32},
        {"setup": "module load ollama"},
        {"environment": {"A": "b"}},
        {"runner_options": {"num_thread": 8}},
        {"answer_timeout_s": 5},
        {"gpu": "off"},
    ],
)
def test_paths_slots_and_threads_of_an_engine_leave_it(
    tmp_path: Path, engine: dict[str, Any]
) -> None:
    write_task(tmp_path)

    def planned(**changes: Any) -> str:
        engines = {"local": {"kind": "ollama", "models": "/models"} | changes}
        (run,) = plan_runs(config(tasks=str(tmp_path), engines=engines))
        return run.experiment_id

    assert planned(**engine) == planned()
    assert planned().startswith("cough-")


def test_a_tasks_folder_leaves_it(tmp_path: Path) -> None:
    assert identity(write_task(tmp_path / "a")) == identity(write_task(tmp_path / "b"))


@pytest.mark.parametrize("file", ["codes.py", "list.txt", "lists/chest.csv", "binary.dat"])
def test_every_file_of_the_tasks_folder_counts(tmp_path: Path, file: str) -> None:
    def with_file(content: bytes | None) -> str:
        task = write_task(tmp_path)
        place = task.folder / file
        place.parent.mkdir(exist_ok=True)
        place.unlink(missing_ok=True)
        if content is not None:
            place.write_bytes(content)
        return identity(read_task(tmp_path, "cough"))

    contents = (None, b"", b"x = 1\n", b"x = 2\n")
    assert len({with_file(content) for content in contents}) == len(contents)


def test_a_file_under_another_name_counts(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    (task.folder / "a.txt").write_text("x")
    before = identity(read_task(tmp_path, "cough"))
    (task.folder / "a.txt").rename(task.folder / "b.txt")
    assert identity(read_task(tmp_path, "cough")) != before


def test_what_the_schema_says_counts_though_no_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = SCHEMA.replace("reason: str", "reason: Literal[os.environ['WORDS']]")
    identities = set()
    for words in ("a", "b"):
        monkeypatch.setenv("WORDS", words)
        identities.add(identity(write_task(tmp_path, "import os\n" + schema)))
    assert len(identities) == 2


@pytest.mark.parametrize(
    "leftover",
    [".schema.py.swp", "schema.py~", "#schema.py#", "schema.py.bak", "__pycache__/schema.pyc",
     ".ipynb_checkpoints/schema.py", ".git/config", ".DS_Store", "Thumbs.db"],
)  # fmt: skip
def test_what_editors_and_python_leave_behind_leaves_it(tmp_path: Path, leftover: str) -> None:
    task = write_task(tmp_path)
    before = identity(task)
    place = task.folder / leftover
    place.parent.mkdir(exist_ok=True)
    place.write_text("x")
    assert identity(read_task(tmp_path, "cough")) == before


def test_which_field_is_the_evidence_leaves_it_and_numbered_sentences_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = SCHEMA + "    numbers: list[int]\n"

    def told(*lines: str) -> Task:
        file = write_task(tmp_path, schema).folder / "task.yaml"
        file.write_text("\n".join(lines))
        return read_task(tmp_path, "cough")

    plain = write_task(tmp_path, schema)
    for task in (told(), told("evidence: reason"), told("evidence: reason", "no_evidence: x")):
        assert identity(task) == identity(plain)
        assert (task.files, task.schema_source) == (plain.files, plain.schema_source)
    numbered = told("evidence: numbers", "numbered_sentences: true")
    assert identity(numbered) != identity(plain)
    before = identity(numbered)
    monkeypatch.setattr(identity_module, "SPLITTING", 99)
    assert identity(numbered) != before
    assert identity(plain) == identity(told("evidence: reason"))


def test_line_endings_and_blank_lines_around_a_file_leave_it(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    (task.folder / "list.txt").write_text("a\nb\n")
    before = identity(read_task(tmp_path, "cough"))
    for path in task.folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (task.folder / "system.md").write_text("\n\nYou read notes.\n\n\n")
    assert identity(read_task(tmp_path, "cough")) == before


def test_choices_from_a_set_have_one_identity_in_every_process(tmp_path: Path) -> None:
    schema = SCHEMA.replace("\n\nclass", "\nWORDS = {'a', 'b', 'c', 'd', 'e'}\n\nclass").replace(
        "reason: str", "reason: Literal[tuple(WORDS)]"
    )
    write_task(tmp_path, schema)
    code = (
        "import sys; from pathlib import Path; from tests.unit.tasks.test_identity import *;"
        "print(identity(read_task(Path(sys.argv[1]), 'cough')))"
    )
    identities = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(3)
    }
    assert len(identities) == 1

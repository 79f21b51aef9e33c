"""notemill.tasks.importing: what a schema.py may use, and that no other task's gets into it."""

from __future__ import annotations

import sqlite3
import statistics
import sys
from contextlib import closing
from pathlib import Path

import pytest

from notemill.answers.verdict import Status, judge
from notemill.errors import NotemillError
from notemill.tasks.task import Task
from tests.unit.conftest import replied, write_task

ROOT = Path(__file__).parents[3]
ANSWER = """
class Answer(BaseModel):
    x: Literal[CODES]
"""
HEAD = "from typing import Literal\nfrom pathlib import Path\nfrom pydantic import BaseModel\n"


def written(folder: Path, schema: str, name: str = "cough", **files: str) -> Task:
    """A task whose schema.py is HEAD, `schema` and a class that takes CODES, beside `files`."""
    task = write_task(folder, HEAD + schema + ANSWER, name=name)
    for file, text in files.items():
        path = task.folder / file.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return task


def codes(task: Task) -> list[str]:
    schema = task.json_schema["properties"]["x"]
    return schema.get("enum") or [schema["const"]]


@pytest.mark.parametrize(
    "schema",
    [
        "from codes import CODES",
        "from .codes import CODES",
        "from . import codes\nCODES = codes.CODES",
        "import codes\nCODES = codes.CODES",
        "import codes as c\nCODES = c.CODES",
        "from codes import *",
        "def late():\n    import codes\n    return codes.CODES\nCODES = late()",
    ],
)
def test_a_helper_beside_schema_py_is_found(tmp_path: Path, schema: str) -> None:
    assert codes(written(tmp_path, schema, codes_dot_py="CODES = 'a', 'b'\n")) == ["a", "b"]


@pytest.mark.parametrize(
    "schema",
    [
        "from lists.chest import CODES",
        "from .lists.chest import CODES",
        "from lists import chest\nCODES = chest.CODES",
        "import lists.chest\nCODES = lists.chest.CODES",
    ],
)
@pytest.mark.parametrize("package", [True, False])
def test_a_folder_of_helpers_is_found(tmp_path: Path, schema: str, package: bool) -> None:
    if package:
        (tmp_path / "cough" / "lists").mkdir(parents=True)
        (tmp_path / "cough" / "lists" / "__init__.py").touch()
    files = {"lists__chest_dot_py": "CODES = 'a', 'b'\n"}
    assert codes(written(tmp_path, schema, **files)) == ["a", "b"]


def test_two_tasks_with_a_helper_of_one_name_keep_their_own(tmp_path: Path) -> None:
    schema = "from codes import CODES"
    tasks = [
        written(tmp_path, schema, name=name, codes_dot_py=f"CODES = {name!r}, 'z'\n")
        for name in ("one", "two", "three")
    ]
    assert [codes(task)[0] for task in tasks] == ["one", "two", "three"]
    assert "codes" not in sys.modules


def test_a_helper_that_a_validator_imports_while_answering_is_its_own_tasks(tmp_path: Path) -> None:
    schema = """from pydantic import field_validator
CODES = 'a', 'b'
class Base(BaseModel):
    @field_validator('x', check_fields=False)
    @classmethod
    def known(cls, x):
        from late import ALLOWED
        if x not in ALLOWED:
            raise ValueError('unknown')
        return x
"""
    tasks = {
        name: write_task(
            tmp_path, HEAD + schema + ANSWER.replace("(BaseModel)", "(Base)"), name=name
        )
        for name in "ab"
    }
    for name, task in tasks.items():
        (task.folder / "late.py").write_text(f"ALLOWED = [{name!r}]\n")
    models = {name: task.answer_model for name, task in tasks.items()}
    for name, model in models.items():
        for answer in "ab":
            verdict = judge(replied(f'{{"x": "{answer}"}}'), model, baseline=5, num_ctx=4096)
            assert (verdict.status is Status.ANSWERED) is (answer == name)


def test_an_edited_helper_counts_at_once(tmp_path: Path) -> None:
    """Bytecode is told from its source by seconds and size, which are the same here."""
    for code in ("a", "b", "c"):
        task = written(tmp_path, "from codes import CODES", codes_dot_py=f"CODES = '{code}', 'z'\n")
        assert codes(task)[0] == code
    assert not list(task.folder.rglob("__pycache__"))


def test_a_helper_wins_over_what_is_elsewhere_of_its_name(tmp_path: Path) -> None:
    """The repository has a `models` and Python a `statistics`."""
    for name in ("models", "statistics"):
        task = written(tmp_path, f"from {name} import CODES", **{f"{name}_dot_py": "CODES = 'a'\n"})
        assert codes(task) == ["a"]
    assert sys.modules["statistics"] is statistics


def test_installed_packages_and_python_itself_are_free_to_use(tmp_path: Path) -> None:
    schema = (
        "import collections.abc, csv, enum, json, re, zoneinfo\nimport numpy, yaml\n"
        "import importlib.resources\nzoneinfo.ZoneInfo('UTC')\nCODES = 'a'\n"
    )
    assert codes(written(tmp_path, schema)) == ["a"]


@pytest.mark.parametrize(
    ("schema", "line"),
    [
        ("from models import templates\nCODES = 'a'", "schema.py:4: imports"),
        ("import notemill.paths\nCODES = 'a'", "schema.py:4: imports"),
        ("import notemill\nCODES = 'a'", "schema.py:4: imports"),
        ("\ndef f():\n    import demo\nf()\nCODES = 'a'", "schema.py:6: imports"),
        ("try:\n    import demo\nexcept Exception:\n    pass\nCODES = 'a'", "schema.py:5: imp"),
        (
            "import sys\nsys.path.insert(0, '{elsewhere}')\nimport shared\nCODES = 'a'",
            "imports {elsewhere}/shared.py",
        ),
        (
            "import sys, importlib\nsys.path.insert(0, '{elsewhere}')\n"
            "importlib.import_module('shared')\nCODES = 'a'",
            "imports {elsewhere}/shared.py",
        ),
        (
            "import runpy\nrunpy.run_path('{elsewhere}/shared.py')\nCODES = 'a'",
            "reads {elsewhere}/shared.py",
        ),
        ("CODES = open('{elsewhere}/list.txt').read()", "schema.py:4: reads {elsewhere}/list.txt"),
        (
            "CODES = Path('{elsewhere}/list.txt').read_text()",
            "schema.py:4: reads {elsewhere}/list.txt",
        ),
        ("import numpy\nnumpy.loadtxt('{elsewhere}/one.csv')\nCODES = 'a'", "schema.py:5: reads"),
        (
            "import sqlite3\nsqlite3.connect('{elsewhere}/codes.db')\nCODES = 'a'",
            "schema.py:5: reads {elsewhere}/codes.db",
        ),
        ("CODES = Path(__file__).with_name('.list').read_text()", "reads {task}/.list"),
        ("CODES = Path(__file__).with_name('list.bak').read_text()", "reads {task}/list.bak"),
        ("from codes import CODES", "codes.py:2: reads {elsewhere}/list.txt"),
    ],
)
def test_what_lies_elsewhere_is_refused_with_line_and_remedy(
    tmp_path: Path, schema: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "shared.py").write_text("X = 1\n")
    (elsewhere / "list.txt").write_text("a")
    (elsewhere / "one.csv").write_text("1\n")
    with closing(sqlite3.connect(elsewhere / "codes.db")) as database, database:
        database.execute("CREATE TABLE t (x)")
    places = {"elsewhere": elsewhere, "task": tmp_path / "tasks" / "cough"}
    helper = f"\nCODES = open('{elsewhere}/list.txt').read()\n"
    task = written(tmp_path / "tasks", schema.format(**places), codes_dot_py=helper)
    for name in (".list", "list.bak"):
        (task.folder / name).write_text("a")
    try:
        with pytest.raises(NotemillError, match="outside the task's folder") as refused:
            task.json_schema  # noqa: B018
    finally:
        sys.modules.pop("shared", None)
        sys.path[:] = [place for place in sys.path if place != str(elsewhere)]
    assert line.format(**places) in refused.value.what
    assert refused.value.where == str(task.folder / "schema.py")
    assert "copy it into" in refused.value.remedy


def test_a_validator_that_imports_from_elsewhere_is_refused_when_it_does(tmp_path: Path) -> None:
    schema = """from pydantic import field_validator
class Answer(BaseModel):
    x: str
    @field_validator('x')
    @classmethod
    def known(cls, x):
        import notemill.paths
        return x
"""
    model = write_task(tmp_path, HEAD + schema).answer_model
    with pytest.raises(NotemillError, match="ImportError"):
        judge(replied('{"x": "a"}'), model, baseline=5, num_ctx=4096)


def test_lists_beside_schema_py_are_read_also_through_a_link(tmp_path: Path) -> None:
    schema = "CODES = tuple(Path(__file__).resolve().parent.joinpath('list').read_text().split())"
    assert codes(written(tmp_path / "real", schema, list="a b")) == ["a", "b"]
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    assert codes(written(tmp_path / "linked", schema, list="a b")) == ["a", "b"]


def test_what_is_written_or_is_not_there_is_no_list(tmp_path: Path) -> None:
    schema = f"""
open('{tmp_path}/debug.txt', 'w').close()
try:
    open('{tmp_path}/local.txt')
except FileNotFoundError:
    CODES = 'a'
"""
    assert codes(written(tmp_path / "tasks", schema)) == ["a"]


def test_files_of_other_code_are_nobodys_business_afterwards(tmp_path: Path) -> None:
    task = written(tmp_path / "tasks", "CODES = 'a'")
    task.json_schema  # noqa: B018
    (tmp_path / "x").write_text("a")
    assert (tmp_path / "x").read_text() == "a"

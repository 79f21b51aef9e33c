"""notebooks/pilot.ipynb, run cell by cell in a kernel of its own on a copy of the repository."""

from __future__ import annotations

import json
import shutil
from typing import Any

import nbclient
import nbformat
import psutil
import pytest

from tests.unit.session.conftest import REPOSITORY

FILE = REPOSITORY / "notebooks" / "pilot.ipynb"
NOTES = 24
LAST = """
import json
frames = {"first": first, "second": second}
print(json.dumps({
    "prompts": [session.system_prompt, trial.system_prompt],
    "ids": [session.experiment_id, trial.experiment_id],
    "same_notes": [frame[list(notes)].equals(notes) for frame in frames.values()],
    "statuses": {name: frame["status"].value_counts().to_dict() for name, frame in frames.items()},
    "rows": {name: len(frame) for name, frame in frames.items()},
    "answers": {name: list(frame["llm_response"].fillna("")) for name, frame in frames.items()},
    "flips": list(flips.index),
}))
"""
"""A cell that tells the test what the others made."""
MISTAKE = "session.ask(notes)"
"""After its close()."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook when all its cells have run, LAST and MISTAKE too. Fails where one does."""
    clone = tmp_path_factory.mktemp("clone")
    for folder in ("notemill", "config", "models", "notebooks"):
        shutil.copytree(
            REPOSITORY / folder,
            clone / folder,
            ignore=shutil.ignore_patterns("__pycache__", "build"),
        )
    (clone / "demo").mkdir()
    for file in (REPOSITORY / "demo").glob("*.py"):
        shutil.copy(file, clone / "demo")
    notebook = nbformat.read(FILE, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LAST, id="last"))
    expected = {"tags": ["raises-exception"]}
    notebook.cells.append(nbformat.v4.new_code_cell(MISTAKE, id="mistake", metadata=expected))
    nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(clone / "notebooks")}},
    ).execute()
    written = {path.name for path in (clone / "demo" / "work").rglob("*") if path.is_file()}
    assert written == {"clinical.sqlite"}
    left = [each for each in psutil.process_iter(["cmdline"]) if str(clone) in str(each.info)]
    assert not left
    return notebook


def test_it_is_stored_without_outputs_for_any_kernel() -> None:
    notebook = nbformat.read(FILE, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in notebook.cells:
        assert not cell.metadata
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_both_prompts_are_asked_of_the_same_notes_and_every_note_has_its_row(ran: Any) -> None:
    told = json.loads(output(ran, "last")[0]["text"])
    assert told["rows"] == {"first": NOTES, "second": NOTES}
    assert told["same_notes"] == [True, True]
    counts = {"answered": NOTES - 2, "blank": 2}
    assert told["statuses"] == {"first": counts, "second": counts}
    assert len(set(told["prompts"])) == len(set(told["ids"])) == 2
    pairs = zip(told["answers"]["first"], told["answers"]["second"], strict=True)
    differ = [row for row, (one, other) in enumerate(pairs) if one != other]
    assert differ == told["flips"]
    assert differ  # or there would be nothing to compare


def test_what_a_reader_sees_is_a_bar_that_is_full_and_no_complaint(ran: Any) -> None:
    for name in ("ask", "change"):
        bar = output(ran, name)[0]
        assert bar["output_type"] == "display_data"
        assert '<progress value="20" max="20"></progress> 20/20 texts' in bar["data"]["text/html"]
        assert bar["data"]["text/plain"].startswith("20/20 texts")  # two are blank, two are copies
    streams = [each for cell in ran.cells for each in cell.get("outputs", ()) if "name" in each]
    assert {each["name"] for each in streams} == {"stdout"}


def test_a_mistake_shows_the_message_and_no_traceback(ran: Any) -> None:
    (error,) = output(ran, "mistake")
    assert error["ename"] == "NotemillError"
    shown = "\n".join(error["traceback"])
    assert shown.startswith("the session is closed\n")
    assert "what to do: make a new one" in shown
    assert "File" not in shown


def test_the_commands_that_it_names_are_there() -> None:
    text = FILE.read_text()
    for folder in ("config/tasks/pneumonia/system.md", "profiles/slurm", "profiles/local"):
        assert folder in text
        assert (REPOSITORY / folder).exists()


def output(notebook: Any, cell: str) -> list[Any]:
    """What a cell shows."""
    found: list[Any] = next(each for each in notebook.cells if each.id == cell).outputs
    return found

"""Plans that end in one message which says what to do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.plans import refusal
from tests.workflow.project import Project


def test_a_model_that_was_changed_is_refused_by_the_plan(finished: Project) -> None:
    (model,) = (finished.results / "models").glob("*.json")
    found = json.loads(model.read_text()) | {"digest": "0" * 64}
    model.write_text(json.dumps(found))
    told = refusal(finished)
    assert f"now has {'0' * 64}" in told
    assert f"`digest: {'0' * 64}` in the experiment" in told


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("import sys\nsys.exit('bye')\n", "schema.py does not import: SystemExit: bye"),
        ("from notemill.paths import Layout\n", "schema.py:1: imports"),
        ("1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_schema_that_can_not_be_used_ends_in_one_message(
    make_project: Callable[..., Project], schema: str, words: str
) -> None:
    project = make_project()
    path = project.folder / "tasks" / "pneumonia" / "schema.py"
    path.write_text(schema + path.read_text())
    told = refusal(project)
    assert words in told
    assert str(path) in told


def test_what_a_schema_prints_stays_out_of_what_is_read_by_machines(
    make_project: Callable[..., Project],
) -> None:
    project = make_project()
    path = project.folder / "tasks" / "pneumonia" / "schema.py"
    path.write_text("print('} // here')\n" + path.read_text())
    done = subprocess.run(
        [*project.command(), "--rulegraph"],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "here" in done.stderr
    assert "here" not in done.stdout


def test_tables_that_do_not_fit_are_refused_by_the_plan(
    make_project: Callable[..., Project],
) -> None:
    project = make_project()
    experiments = project.config["experiments"]
    experiments["other"] = experiments["pneumonia"] | {"results_table": "PNA_Results_failures"}
    project.write_config()
    assert "PNA_Results_failures is the table of failures already" in refusal(project)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("x"), "is a file, not a folder"),
        (lambda path: path.symlink_to("nowhere"), "a link that leads nowhere"),
    ],
)
def test_results_that_are_no_folder_end_in_one_message(
    make_project: Callable[..., Project], make: Callable[[Path], object], words: str
) -> None:
    project = make_project()
    make(project.results)
    told = refusal(project)
    assert words in told
    assert str(project.results) in told


def test_relative_paths_are_those_of_the_folder_that_the_workflow_runs_in(
    make_project: Callable[..., Project],
) -> None:
    project = make_project()
    (project.folder / "run").mkdir()
    told = refusal(project, "--directory", "run")
    assert str(project.folder / "run" / "tasks") in told
    assert "`snakemake --directory`" in told
    for name in ("tasks", "notes.sqlite"):
        (project.folder / name).rename(project.folder / "run" / name)
    done = project.snakemake("--directory", "run", "--until", "extract")
    assert done.returncode == 0, done.stdout
    assert (project.folder / "run" / "results" / "cohorts").is_dir()
    assert not project.results.exists()


def test_jobs_that_get_copies_of_their_files_are_refused_as_on_kubernetes(
    make_project: Callable[..., Project],
) -> None:
    """Snakemake's Kubernetes executor needs a default storage provider before it starts."""
    project = make_project()
    store = ("--default-storage-provider", "fs", "--default-storage-prefix", str(project.folder))
    done = project.snakemake(*store)
    assert done.returncode != 0
    assert "jobs that share no folder would lose their journals" in done.stdout
    assert "what to do: run all jobs where they see one file system" in done.stdout
    assert "docs/kubernetes.md" in done.stdout
    assert not project.results.exists()

"""The target `servers`: as many as GPUs may be taken, and new ones each time."""

from __future__ import annotations

from pathlib import Path

from tests import oracle
from tests.workflow.project import Project


def project(folder: Path, **engine: object) -> Project:
    database = {"url": "sqlite:///clinic.sqlite"}
    return Project(folder, oracle.config(database, {**oracle.EMBEDDED, **engine}))


def test_there_are_as_many_servers_as_gpus_and_none_of_before_counts(tmp_path: Path) -> None:
    served = project(tmp_path, endpoints="endpoints")
    assert served.planned("--resources", "gpu=3", "--", "servers") == {"server": 3, "servers": 1}


def test_an_engine_without_a_folder_of_endpoints_is_told_so(tmp_path: Path) -> None:
    done = project(tmp_path).snakemake("-n", "servers")
    assert done.returncode == 1
    assert "no engine that an experiment asks has a folder of endpoints" in done.stdout

"""The whole path on the newer site: MySQL 9.7, Slurm 26.05, and Ollama in an Apptainer image."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.real_ollama import THREADS, make_store
from tests.servers.site.site import Site
from tests.servers.standin import store
from tests.servers.test_end_to_end import ANSWERED, config, fill
from tests.workflow.project import Project

pytestmark = pytest.mark.site


@pytest.fixture
def project(tmp_path: Path, site: Site) -> Project:
    """A project whose engine is the stand-in; commands run in the site's world."""
    fill(site.mysql)
    (tmp_path / "faults.json").write_text("[]")
    store.make_model(tmp_path / "store")
    return Project(
        tmp_path / "project", config(tmp_path, site.mysql), site.environment, site.command([])
    )


def test_the_whole_path_on_newer_servers(project: Project, site: Site) -> None:
    done = project.on_slurm()
    assert done.returncode == 0, done.stdout
    assert site.mysql.execute("SELECT COUNT(*) FROM clinical.PNA_Results") == [(ANSWERED,)]
    before = site.mysql.execute("SELECT * FROM clinical.PNA_Results ORDER BY 1, 2")
    next((project.results / "loads").rglob("*.json")).unlink()
    done = project.on_slurm()
    assert done.returncode == 0, done.stdout
    assert site.mysql.execute("SELECT * FROM clinical.PNA_Results ORDER BY 1, 2") == before


def test_ollama_in_an_apptainer_image(
    project: Project, site: Site, real_ollama: Path, weights: Path, tmp_path: Path
) -> None:
    models = make_store(real_ollama, weights, tmp_path)
    image = site.container(real_ollama, "--home", "{home}", "--bind", "{models}")
    project.config["engines"]["engine"] = {
        "kind": "ollama",
        "command": [*image, f"/opt/{real_ollama.name}"],
        "models": str(models),
        "runner_options": THREADS,
        "gpu": "off",
        "slots": 2,
    }
    experiment = project.config["experiments"]["pneumonia"]
    experiment |= {"model": "random", "options": {"num_ctx": 2048, "num_predict": 512}}
    project.write_config()
    done = project.on_slurm()
    assert done.returncode == 0, done.stdout
    assert site.mysql.execute("SELECT COUNT(*) FROM clinical.PNA_Results") == [(ANSWERED,)]
    engines = site.mysql.execute("SELECT engines FROM clinical.notemill_experiments")
    assert engines[0][0].startswith("ollama 0.")

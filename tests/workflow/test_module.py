"""The workflow as a module of another Snakefile: configuration and results of its own."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from notemill import __version__
from tests import oracle
from tests.workflow.project import REPOSITORY, Project, job_table

TWO = """\
module one:
    snakefile: "{snakefile}"
    config: config["one"]

use rule * from one as one_*

module two:
    snakefile: "{snakefile}"
    prefix: "second"
    config: config["two"]

use rule * from two as two_*

rule both:
    default_target: True
    input: rules.one_all.input, rules.two_all.input
"""
DEPLOYED = """\
from snakemake.utils import min_version

min_version("6.10.0")

configfile: "config/config.yaml"

module notemill:
    snakefile:
        {source}
    config:
        config

use rule * from notemill
"""
"""As `snakedeploy deploy-workflow` writes it."""
NOTES = 30
SNAKEFILE = REPOSITORY / "workflow" / "Snakefile"


def run(
    folder: Path, *arguments: str, environment: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """`snakemake` as a user of the folder's own Snakefile calls it."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
        check=False,
    )


def configuration(table: str, *tasks: str) -> dict[str, object]:
    """A configuration over the oracle's notes."""
    config = oracle.config({"url": "sqlite:///notes.sqlite"}, oracle.EMBEDDED)
    cohort = config["cohorts"]["oracle"]
    config["cohorts"]["oracle"] = cohort | {
        "query": f"{cohort['query']} LIMIT {NOTES}",
        "shards": 1,
    }
    for name in [name for name in config["experiments"] if name not in tasks]:
        del config["experiments"][name]
    for experiment in config["experiments"].values():
        experiment["results_table"] = table
    return config | {"experiments_table": f"{table}_experiments"}


@pytest.fixture(scope="module")
def two_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    oracle.write_sqlite(folder / "notes.sqlite")
    gold = "patientvisitid,accession,response\nV0000,A0,(1) Likely\n"
    (folder / "gold.csv").write_text(gold)
    one, two = configuration("one", "pneumonia"), configuration("two", "pleural_effusion")
    two["evaluations"] = {"gold": {"cohort": "oracle", "file": "gold.csv", "fields": ["response"]}}
    (folder / "config.yaml").write_text(yaml.safe_dump({"one": one, "two": two}))
    snakefile = 'configfile: "config.yaml"\n' + TWO.format(snakefile=SNAKEFILE)
    (folder / "Snakefile").write_text(snakefile)
    done = run(folder, "--profile", str(REPOSITORY / "profiles" / "local"))
    assert done.returncode == 0, done.stdout
    return folder


def test_two_modules_answer_their_own_question_each_into_their_own_results(
    two_modules: Path,
) -> None:
    for table, task in (("one", "pneumonia"), ("two", "pleural_effusion")):
        with closing(sqlite3.connect(two_modules / "notes.sqlite")) as database:
            found = dict(database.execute(f"SELECT accession, llm_response FROM {table}"))
        right = [note.answers[task].response for note in oracle.NOTES[:NOTES]]
        same = [found.get(f"A{number}") == each for number, each in enumerate(right)]
        assert sum(same) >= oracle.RIGHT * NOTES
    results, moved = two_modules / "results", two_modules / "second" / "results"
    assert list(results.glob("answers/oracle/pneumonia-*/cut-0001/0000.parquet"))
    assert {path.name for path in results.iterdir()} <= {path.name for path in moved.iterdir()}
    assert list(moved.glob("answers/oracle/pleural_effusion-*/cut-0001/0000.parquet"))
    assert not list(results.glob("answers/oracle/pleural_effusion-*"))
    assert list(moved.glob("evaluations/gold.json"))


def test_modules_that_have_run_plan_nothing(two_modules: Path) -> None:
    planned = run(two_modules, "-n", "--profile", str(REPOSITORY / "profiles" / "local"))
    assert job_table(planned.stdout) == {}, planned.stdout


def test_what_a_profile_says_of_a_rule_holds_for_every_module(two_modules: Path) -> None:
    planned = run(
        two_modules,
        *("-n", "--forceall", "--set-threads", "answer=3", "two_answer=5"),
        *("--set-resources", "answer:slurm_partition=gpu", "--cores", "9"),
    )
    jobs = dict(re.findall(r"^rule (\w+):\n((?:    .*\n)+)", planned.stdout, re.MULTILINE))
    for name, threads in (("one_answer", 3), ("two_answer", 5)):
        assert f"threads: {threads}" in jobs[name]
        assert "slurm_partition=gpu" in jobs[name]
        assert "gpu=1" in jobs[name]


def test_a_wrong_configuration_of_a_module_is_named_by_the_module(two_modules: Path) -> None:
    planned = run(two_modules, "-n", "--config", "two={cohort: {}}")
    assert planned.returncode != 0
    assert "`config:` of module two" in planned.stdout
    assert "cohort: unknown key" in planned.stdout
    assert "Traceback" not in planned.stdout


def test_two_copies_in_one_run_are_refused(two_modules: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    for part in ("notemill", "workflow", "envs"):
        shutil.copytree(REPOSITORY / part, copied / part)
    text = (two_modules / "Snakefile").read_text()
    mixed = text.replace(str(SNAKEFILE), str(copied / "workflow" / "Snakefile"), 1)
    (two_modules / "mixed.smk").write_text(mixed)
    planned = run(two_modules, "-n", "--snakefile", "mixed.smk")
    assert planned.returncode != 0
    assert f"two copies of notemill in one run: {copied} and {REPOSITORY}" in planned.stdout


def test_a_finished_project_that_becomes_a_module_plans_nothing(finished: Project) -> None:
    (finished.folder / "config").mkdir()
    (finished.folder / "config.yaml").rename(finished.folder / "config" / "config.yaml")
    (finished.folder / "workflow").mkdir()
    deployed = DEPLOYED.format(source=f'"{SNAKEFILE}"')
    (finished.folder / "workflow" / "Snakefile").write_text(deployed)
    profile = ("--profile", str(REPOSITORY / "profiles" / "local"))
    planned = run(finished.folder, "-n", *profile)
    assert planned.returncode == 0, planned.stdout
    assert job_table(planned.stdout) == {}, planned.stdout


@pytest.fixture(scope="module")
def on_a_git_server(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user to whom GitHub is a folder of ours, with this repository as it is
    now under the tag v9."""
    server = tmp_path_factory.mktemp("server")
    home = tmp_path_factory.mktemp("home")
    site = server / "lab" / "notemill"
    listed = git(REPOSITORY, "ls-files", "-z", "workflow", "notemill", "envs", "config", "profiles")
    for name in filter(None, listed.split("\0")):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, site / name)
    git(site, "init", "-q")
    git(site, "add", ".")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    git(site, *who, "commit", "-q", "-m", "all")
    git(site, "tag", "v9")
    return os.environ | {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "GITHUB_TOKEN": "",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{server.as_uri()}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }


def git(folder: Path, *arguments: str) -> str:
    """What git says in a folder."""
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def deployed(folder: Path, installed: str | None) -> Path:
    """A folder as snakedeploy leaves it, with the package as one that pip installed."""
    (folder / "workflow").mkdir()
    source = 'github("lab/notemill", path="workflow/Snakefile", tag="v9")'
    (folder / "workflow" / "Snakefile").write_text(DEPLOYED.format(source=source))
    (folder / "config").mkdir()
    oracle.write_sqlite(folder / "notes.sqlite")
    config = configuration("results", "pneumonia")
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    if installed:
        shutil.copytree(REPOSITORY / "notemill", folder / "site" / "notemill")
        initial = folder / "site" / "notemill" / "__init__.py"
        initial.write_text(initial.read_text().replace(f'"{__version__}"', f'"{installed}"', 1))
    return folder


def test_a_deployed_workflow_runs_to_its_end_from_the_server_that_it_is_on(
    tmp_path: Path, on_a_git_server: dict[str, str]
) -> None:
    folder = deployed(tmp_path, __version__)
    environment = on_a_git_server | {"PYTHONPATH": str(folder / "site")}
    profile = ("--profile", str(REPOSITORY / "profiles" / "local"))
    done = run(folder, *profile, "--set-threads", "answer=1", environment=environment)
    assert done.returncode == 0, done.stdout
    with closing(sqlite3.connect(folder / "notes.sqlite")) as database:
        (answers,) = database.execute("SELECT COUNT(*) FROM results").fetchone()
    assert answers == NOTES


@pytest.mark.parametrize("installed", ["0.0.1", None])
def test_a_deployed_workflow_says_which_package_it_needs(
    tmp_path: Path, on_a_git_server: dict[str, str], installed: str | None
) -> None:
    folder = deployed(tmp_path, installed)
    environment = on_a_git_server | {"PYTHONPATH": str(folder / "site")}
    done = run(folder, "-n", environment=environment)
    assert done.returncode != 0
    assert f"is {installed or 'none'}" in done.stdout
    assert "pip install --no-deps ." in done.stdout
    assert "Traceback" not in done.stdout

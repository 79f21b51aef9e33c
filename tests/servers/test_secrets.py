"""Planted secrets: where a password, a token, a note's text, id and answer may be.

The allowed places are those of docs/data-model.md, spelt out here with their modes.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.mariadb import MariaDB
from tests.servers.planted import TOKENS, Planted, planted_run
from tests.servers.slurm import SlurmCluster
from tests.servers.watcher import files_with, found_in

SHARD = r"cohorts/visits/cut-0001/notes/\d{4}\.parquet"
ANSWERS = r"answers/visits/\w+-\w{12}/cut-0001/\d{4}"
PAGE = r"pilots/visits/\w+-\w{12}\.html"
ENGINE_LOG = r"logs/(answer/visits|pilot/visits|serve|model)/.*\.engine(\.\d+)?\.log"
ALLOWED = {
    "text": [SHARD, PAGE, ENGINE_LOG],
    "id": [SHARD, PAGE, ENGINE_LOG, rf"{ANSWERS}\.parquet"],
    "answer": [
        SHARD,  # the stand-in's answer begins as its note does
        PAGE,
        ENGINE_LOG,
        rf"{ANSWERS}\.parquet",
        rf"{ANSWERS}\.journal(\.rejected)?\.jsonl",
    ],
}
"""Below the results folder, each mode 0600 in folders of mode 0700."""


@pytest.fixture(scope="module")
def planted(
    tmp_path_factory: pytest.TempPathFactory, database: MariaDB, cluster: SlurmCluster
) -> Iterator[Planted]:
    """The run, looked at when it has ended."""
    with planted_run(tmp_path_factory.mktemp("planted"), database, cluster) as run:
        yield run


def test_the_run_came_to_what_it_should(planted: Planted) -> None:
    """Else what follows would show nothing."""
    loads = {
        path.stem.partition("-")[0] for path in (planted.project.results / "loads").rglob("*.json")
    }
    assert loads == {"pneumonia", "pooled"}, planted.output
    assert (planted.project.results / "evaluations" / "gold.json").exists(), planted.output
    assert "max_failed_share" in planted.output
    assert planted.watcher.looked["proc"] > 20
    assert min(planted.watcher.looked.values()) > 0, planted.watcher.looked
    seen = "\n".join(planted.watcher.processes)
    for part in ("answer.py", "load.py", "standin/ollama", "notemill serve", "evaluate.py"):
        assert part in seen


def test_the_planted_words_are_found_where_they_belong(planted: Planted) -> None:
    """That the search finds something: texts in notes shards, answers in journals, and so on."""
    found: dict[str, set[str]] = {}
    for path, words in files_with(planted.project.results, planted.words):
        for word in words:
            found.setdefault(word, set()).add(str(path.relative_to(planted.project.results)))
    for word, places in ALLOWED.items():
        for place in places[:2]:
            assert any(re.fullmatch(place, each) for each in found[word]), (word, place)


def test_in_the_results_they_are_where_the_data_model_says_and_nowhere_else(
    planted: Planted,
) -> None:
    results = planted.project.results
    wrong = []
    for path, words in files_with(results, planted.words):
        place = str(path.relative_to(results))
        for word in words:
            if not any(re.fullmatch(each, place) for each in ALLOWED.get(word, [])):
                wrong.append((word, place))
    assert wrong == []
    modes = {
        str(path.relative_to(results)): stat.S_IMODE(path.lstat().st_mode)
        for path in [results, *results.rglob("*")]
    }
    others = {place: oct(mode) for place, mode in modes.items() if mode & 0o077}
    assert others == {}


def test_beside_the_results_they_are_nowhere(planted: Planted, cluster: SlurmCluster) -> None:
    """In Snakemake's metadata, temporary folders, Slurm's own state and logs, core dumps."""
    folder = planted.project.folder
    own = {"gold.csv", "asked.jsonl", "bad.json", "faults.json", "store"}  # the test's
    wrong = []
    for place in (folder, planted.temporary, Path(cluster.folder)):
        for path, words in files_with(place, planted.words):
            if planted.project.results not in path.parents:
                wrong.append((str(path), words))
    for path, words in files_with(folder.parent, planted.words):
        inside = path.relative_to(folder.parent)
        if inside.parts[0] in {folder.name, *own}:
            continue
        private = not path.stat().st_mode & 0o077
        if not (words <= TOKENS and private):  # the tokens' own files, and the pool's folder
            wrong.append((str(path), words))
    assert wrong == []
    cores = [path for path in folder.parent.rglob("core*") if path.is_file()]
    assert [path for path in cores if path.name == "core" or path.name[5:].isdecimal()] == []


def test_no_temporary_file_of_a_job_that_ended_by_itself_stays(planted: Planted) -> None:
    left = [path for path in planted.temporary.rglob("*") if path.is_file()]
    assert [path for path in left if path.stat().st_mode & 0o077] == []


def test_no_process_and_no_answer_of_slurm_shows_them(planted: Planted) -> None:
    """But for the password in the environment that it was given in, which no Slurm job gets."""
    wrong = {
        seen
        for seen in planted.watcher.seen
        if (seen[0], seen[2]) != ("environment", "password") or "standin/ollama" in seen[1]
    }
    assert wrong == set()


def test_nothing_that_is_printed_has_them(planted: Planted) -> None:
    assert found_in(planted.output.encode(), planted.words) == set()

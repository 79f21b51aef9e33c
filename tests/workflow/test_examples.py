"""The folders of examples/ that need no Slurm: their READMEs, word for word."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from tests.servers.daemon import free_port
from tests.servers.shard_site import LIKELY, STANDIN
from tests.servers.standin import store
from tests.workflow.pages import blocks, copied, run
from tests.workflow.project import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


def test_every_example_is_complete_and_run_by_a_test() -> None:
    names = {each.name for each in EXAMPLES.iterdir() if each.is_dir()}
    tests = Path(__file__).read_text()
    tests += (REPOSITORY / "tests" / "servers" / "test_examples_slurm.py").read_text()
    for name in names:
        assert f'blocks(clone, "{name}")' in tests
        assert f"({name}/)" in (EXAMPLES / "README.md").read_text()
        for part in ("README.md", "config/config.yaml", "profile/profile.yaml"):
            assert (EXAMPLES / name / part).exists()


@contextmanager
def ollama(folder: Path, port: int, model: str) -> Iterator[Path]:
    """A stand-in for an Ollama that someone else runs; yields its journal of requests."""
    store.make_model(folder / "store", model)
    journal, log = folder / f"{port}.jsonl", folder / f"{port}.log"
    environment = os.environ | {
        "OLLAMA_HOST": f"127.0.0.1:{port}",
        "OLLAMA_MODELS": str(folder / "store"),
        "OLLAMA_NUM_PARALLEL": "2",
        "OLLAMA_CONTEXT_LENGTH": "2048",
        "HOME": str(folder),
        "STANDIN_JOURNAL": str(journal),
    }
    with log.open("wb") as out:
        server = subprocess.Popen([*STANDIN, "serve"], env=environment, stderr=out)
    try:
        while "Listening on" not in log.read_text():
            assert server.poll() is None, log.read_text()
            time.sleep(0.01)
        yield journal
    finally:
        server.terminate()
        server.wait()


def test_files_in_and_out_over_a_list_of_servers(tmp_path: Path) -> None:
    clone = copied(tmp_path / "clone", "demo", "docs")
    folder = clone / "examples" / "files"
    config = folder / "config" / "config.yaml"
    ports = {shown: free_port() for shown in ("11434", "11435")}
    for shown, port in ports.items():
        assert shown in config.read_text()
        config.write_text(config.read_text().replace(shown, str(port)))
    all_of_it, summary = blocks(clone, "files")
    with ExitStack() as servers:
        journals = [
            servers.enter_context(ollama(tmp_path, port, "llama3.1:8b")) for port in ports.values()
        ]
        run(all_of_it, clone)
        asked = [len(journal.read_text().splitlines()) for journal in journals]
        assert all(asked), "each server has its part"
        assert "Nothing to be done" in run(all_of_it, clone)
        assert asked == [len(journal.read_text().splitlines()) for journal in journals]
    assert "12 of 12" in run(summary, clone)

    notes = [json.loads(line) for line in (folder / "notes.jsonl").open()]
    answers = [json.loads(line) for line in (folder / "answers.jsonl").open()]
    others = [{name: note[name] for name in ("note_id", "ward")} for note in notes]
    kept = [{name: row[name] for name in ("note_id", "ward")} for row in answers]
    assert kept == others, "in the source's order, with all but its texts"
    assert "text" not in answers[0]
    with (folder / "answers.csv").open(newline="", encoding="utf-8-sig") as table:
        rows = list(csv.DictReader(table))
    assert [row["note_id"] for row in rows] == [note["note_id"] for note in notes]
    for note, answer, row in zip(notes, answers, rows, strict=True):
        assert answer["status"] == row["status"] == "answered"
        assert answer["llm_response"] == row["llm_response"]
        assert (answer["llm_response"] == LIKELY) == ("pneumonia" in note["text"].lower())


def test_a_server_is_measured_and_then_asked(tmp_path: Path) -> None:
    clone = copied(tmp_path / "clone", "demo", "docs")
    folder = clone / "examples" / "bench"
    serve, measure, ask = blocks(clone, "bench")
    server = subprocess.Popen(
        ["bash", "-euc", f"exec {serve}"],
        cwd=clone,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not list((folder / "endpoints").glob("*.json")):
            assert server.poll() is None, server.communicate()
            time.sleep(0.1)
        told = run(measure, clone)
        run(ask, clone)
    finally:
        server.terminate()
        server.communicate()
    made = folder / "results" / "bench"
    table = list(csv.DictReader((made / "levels.csv").open()))
    assert [level["in flight"] for level in table] == ["1", "2", "4"]
    requests = pq.read_table(made / "notes.parquet").to_pylist()
    for level in table:
        assert all(shown in told for shown in level.values())
        its = [each for each in requests if str(each["in_flight"]) == level["in flight"]]
        assert len(its) == int(level["asked"]) > 0
    assert "<svg" in (made / "bench.svg").read_text()
    assert not list((folder / "endpoints").glob("*.json")), "withdrawn at its end"
    answers = [json.loads(line) for line in (folder / "answers.jsonl").open()]
    assert [row["status"] for row in answers] == ["answered"] * 12

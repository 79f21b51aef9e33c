"""Answer jobs at a list of Ollamas that others started: recorded, shared, and changed meanwhile."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from notemill.answers.job import answer_shards
from notemill.counts import Counts
from notemill.endpoints.recording import recorded_model
from notemill.errors import EngineRefused
from notemill.metrics.families import Sampled, Seen, job_families
from notemill.paths import journal
from notemill.plan.runs import plan_runs
from tests.servers.beside import beside
from tests.servers.shard_site import STANDIN, ShardSite
from tests.servers.standin import store

NOTES = [f"Note {number}: lungs are clear." for number in range(40)]


@dataclass
class Ollama:
    folder: Path
    address: str

    def asked(self) -> int:
        """Requests for an answer, those of proofs too."""
        place = self.folder / "asked.jsonl"
        return place.read_bytes().count(b"\n") if place.exists() else 0

    def take(self, weights: str) -> str:
        """Let its model be of these weights, under its name of before."""
        return store.make_model(self.folder / "models", weights=weights)


@contextmanager
def ollama(folder: Path) -> Iterator[Ollama]:
    folder.mkdir()
    store.make_model(folder / "models")
    (folder / "faults.json").write_text(json.dumps([{"fault": "slow", "value": 0.05}]))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OLLAMA_MODELS": str(folder / "models"),
        "OLLAMA_HOST": "127.0.0.1:0",
        "OLLAMA_CONTEXT_LENGTH": "1024",
        "OLLAMA_NUM_PARALLEL": "2",
        "STANDIN_ERA": "middle",
        "STANDIN_FAULTS": str(folder / "faults.json"),
        "STANDIN_JOURNAL": str(folder / "asked.jsonl"),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*STANDIN, "serve"], env=environment, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 60
        listening = re.compile(r'msg="Listening on (127\.0\.0\.1:\d+) ')
        while not (found := listening.search((folder / "log").read_text())):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        yield Ollama(folder, f"http://{found[1]}")
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Ollama, Ollama]]:
    with ollama(tmp_path / "a") as first, ollama(tmp_path / "b") as second:
        yield first, second


def listed(folder: Path, *addresses: str) -> ShardSite:
    """A shard that is asked at these addresses, which alone tell of the model."""
    engine = {"kind": "ollama", "endpoints": list(addresses), "gpu": "off", "slots": 2}
    site = ShardSite(folder, NOTES, engine=engine)
    run = plan_runs(site.config)[0]
    record = recorded_model(run.engine, run.experiment.model, Path(os.devnull))
    record.write(site.layout.model(run.model_id))
    return site


def test_a_list_shares_the_notes_and_one_whose_model_is_changed_meanwhile_answers_none(
    two: tuple[Ollama, Ollama], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept, changed = two
    site = listed(tmp_path / "job", kept.address, changed.address)
    job = site.job()
    answered = journal(job.output)
    asked: list[int] = []
    counted: list[Counts] = []
    slots: list[int] = []

    @contextmanager
    def watched(counts: Sequence[Counts]) -> Iterator[None]:
        counted.extend(counts)
        yield

    def pull(over: threading.Event) -> None:
        while not (answered.exists() and answered.read_bytes().count(b'"text"') >= 8):
            if over.wait(0.02):
                return
        slots.append(counted[0].slots)
        changed.take("others")
        asked.append(changed.asked())

    with beside(pull):
        (origin,) = answer_shards([job], watched=watched)
    assert (origin.texts, origin.failed) == (40, 0)
    rows = pq.read_table(job.output).to_pylist()
    assert Counter(row["status"] for row in rows) == {"answered": 40}
    assert "has become another" in caplog.text and f"endpoint {changed.address}" in caplog.text
    # What it had begun, and what took their place before the first of them came back.
    assert changed.asked() <= asked[0] + 3, "it was asked on"
    assert kept.asked() > asked[0]
    (counts,) = counted
    assert (slots, counts.slots) == ([4], 2), "those of the endpoints that are asked"
    assert (counts.ended, counts.in_flight) == ({"answered": 40}, 0)
    assert (counts.engine, counts.restarts) == ("ollama 0.24.0", 0)
    assert sum(counts.requests.counts) >= 40
    assert counts.prompt_tokens + counts.answer_tokens == origin.tokens
    families = job_families(Seen(counted, {"host": "here", "slurm_job": ""}, Sampled()))
    told = {each.name: each.value for family in families for each in family.samples}
    assert (told["notemill_slots"], told["notemill_slots_in_use"]) == (2, 0)


def test_two_models_of_one_name_are_told_before_any_note(
    two: tuple[Ollama, Ollama], tmp_path: Path
) -> None:
    digest = two[1].take("others")
    with pytest.raises(EngineRefused, match="different models of the name 'standin'") as error:
        listed(tmp_path / "job", two[0].address, two[1].address)
    assert f"{two[1].address} has {digest}" in error.value.what

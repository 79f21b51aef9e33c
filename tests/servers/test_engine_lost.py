"""Engines that are killed, stopped, or lose their GPU while they are asked: real processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from models.notes import draw
from notemill.errors import EngineRefused, NotemillError
from tests.oracle import EMBEDDED
from tests.processes import below, command_of
from tests.servers.beside import beside
from tests.servers.shard_site import LIKELY, SICK, ShardSite
from tests.servers.standin import store
from tests.unit.engines.waiting import until

NOTES = [f"{number}: {SICK}" for number in range(30)]
TEXTS = [note.text for note in draw(20, seed=11)]
EXPERIMENT = {"model": "notemill-tiny", "options": {"num_ctx": 1024, "num_predict": 200}}


def embedded(folder: Path, **engine: Any) -> ShardSite:
    folder.mkdir(exist_ok=True)
    return ShardSite(folder, TEXTS, EMBEDDED | {"slots": 2} | engine, EXPERIMENT)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return said(embedded(tmp_path_factory.mktemp("undisturbed")).answer())


def said(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, less when they were written, how long it took, and how often it was tried."""
    apart = {"answered_at", "seconds", "attempts", "changes", "detail"}
    return [{name: row[name] for name in row if name not in apart} for row in rows]


def engine_of(site: ShardSite) -> psutil.Process:
    """The embedded server of this process' job, once it answers notes."""
    journal = site.job().output.with_suffix(".journal.jsonl")
    for _ in range(1200):
        if journal.exists() and journal.read_bytes().count(b'"text"') >= 2:
            for child in below(os.getpid()):
                if any(word.endswith("llamacpp/program.py") for word in command_of(child)):
                    return child
        time.sleep(0.05)
    raise AssertionError("no engine answered")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
def test_an_engine_that_is_killed_or_stopped_costs_no_note_and_changes_none(
    tmp_path: Path,
    undisturbed: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
    number: signal.Signals,
) -> None:
    site = embedded(tmp_path / "site", answer_timeout_s=8)
    site.job()
    with beside(lambda _: engine_of(site).send_signal(number)):
        rows = site.answer()
    assert said(rows) == undisturbed
    told = "its process runs on" if number == signal.SIGSTOP else f"was ended by {number.name}"
    assert told in caplog.text


def test_an_engine_that_runs_a_hundredth_of_the_time_is_waited_for(
    tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    site = embedded(tmp_path / "site", answer_timeout_s=60)
    site.job()

    def slow(_: threading.Event) -> None:
        engine = engine_of(site)
        with suppress(psutil.NoSuchProcess):  # it has answered all
            for _ in range(20):
                engine.suspend()
                time.sleep(0.099)
                engine.resume()
                time.sleep(0.001)

    with beside(slow):
        rows = site.answer()
    assert said(rows) == undisturbed


def test_an_engine_that_dies_each_time_is_told_with_how_it_ended(tmp_path: Path) -> None:
    faults = [{"fault": "crash", "match": "Findings"}]
    site = ShardSite(tmp_path, NOTES, faults=[], engine={"restarts": 0})
    site.faults = faults
    with pytest.raises(NotemillError, match="ended by SIGKILL") as lost:
        site.answer()
    assert "Findings" not in str(lost.value)


def test_a_gpu_that_is_lost_with_a_runner_is_missed_and_the_engine_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ollama loads the model again by itself, on the CPU: it would answer on, and slowly."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    site = ShardSite(tmp_path, NOTES, engine={"gpu": "auto"})
    site.faults = [
        {"fault": "runner_crash", "match": "5: Findings", "times": 1, "starts": 1},
        {"fault": "gpu_lost", "starts": 1},
    ]
    rows = site.answer()
    assert [row["llm_response"] for row in rows] == [LIKELY] * len(NOTES)
    assert "only 0% of it is on the GPU" in caplog.text
    starts = (tmp_path / "faults.json.starts").read_text().splitlines()
    assert len(starts) == 2


def test_a_model_that_becomes_another_while_notes_are_asked_answers_none_of_them(
    tmp_path: Path,
) -> None:
    """Pulled or created anew under its name, by whomever: Ollama takes it from the next note on."""
    site = ShardSite(tmp_path, NOTES)
    site.job()
    site.faults = [{"fault": "slow", "value": 0.05, "match": "Findings"}]
    with beside(lambda _: answered(site) and store.make_model(tmp_path / "store", weights="new")):
        with pytest.raises(EngineRefused, match="has become another in the store") as refused:
            site.answer()
    assert "put the former model back" in refused.value.remedy
    store.make_model(tmp_path / "store")
    assert [row["llm_response"] for row in site.answer()] == [LIKELY] * len(NOTES)


def test_the_same_model_pulled_again_costs_what_was_in_flight(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = ShardSite(tmp_path, NOTES)
    site.job()
    site.faults = [{"fault": "slow", "value": 0.05, "match": "Findings"}]
    with beside(lambda _: answered(site) and store.make_model(tmp_path / "store")):
        rows = site.answer()
    assert [row["llm_response"] for row in rows] == [LIKELY] * len(NOTES)
    assert "the model was written anew while it was asked" in caplog.text


def answered(site: ShardSite) -> bool:
    """Waits for two answers."""
    journal = site.job().output.with_suffix(".journal.jsonl")
    until(lambda: journal.exists() and journal.read_bytes().count(b'"text"') >= 2)
    return True

"""A real Ollama whose runner or server is killed or stopped in mid-answer, where there is one."""

from __future__ import annotations

import json
import re
import signal
import threading
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from models.notes import draw
from notemill.errors import EngineRefused
from tests.processes import command_of
from tests.servers.beside import beside
from tests.servers.real_ollama import TINY_EXPERIMENT, tiny_ollama
from tests.servers.shard_site import ShardSite
from tests.servers.test_engine_lost import said
from tests.servers.test_ollama_engine_server import servers_of
from tests.unit.engines.waiting import until

TEXTS = [note.text for note in draw(6, seed=11)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, real_ollama: Path) -> dict[str, Any]:
    tiny = tiny_ollama(real_ollama, tmp_path_factory.mktemp("store"))
    return tiny | {"slots": 2, "answer_timeout_s": 20}


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, engine: dict[str, Any]
) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return said(ShardSite(folder, TEXTS, engine, TINY_EXPERIMENT).answer())


@pytest.mark.parametrize(
    ("victim", "number", "told"),
    [
        ("runner", signal.SIGKILL, "the engine failed on a request (status 500"),
        ("serve", signal.SIGKILL, "its process was ended by SIGKILL"),
        ("runner", signal.SIGSTOP, "no word for any question for a while; its process runs on"),
        ("serve", signal.SIGSTOP, "no word for any question for a while; its process runs on"),
    ],
)
def test_a_runner_or_a_server_that_is_killed_or_stopped_costs_no_note_and_changes_none(
    tmp_path: Path,
    engine: dict[str, Any],
    undisturbed: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
    victim: str,
    number: signal.Signals,
    told: str,
) -> None:
    site = ShardSite(tmp_path, TEXTS, engine, TINY_EXPERIMENT)
    journal = site.job().output.with_suffix(".journal.jsonl")
    hit: list[psutil.Process] = []

    def hit_it(_: threading.Event) -> None:
        until(lambda: journal.exists() and journal.read_bytes().count(b'"text"') >= 2)
        for process in servers_of(Path(engine["models"])):
            if victim in command_of(process):
                process.send_signal(number)
                hit.append(process)

    with beside(hit_it):
        rows = site.answer()
    assert len(hit) == 1
    assert {row["status"] for row in rows} == {"answered"}
    assert said(rows) == undisturbed
    assert not any("seed" in row["changes"] for row in rows)
    assert told in caplog.text
    assert not servers_of(Path(engine["models"]))


def test_a_model_that_anyone_of_the_node_creates_anew_under_its_name_answers_no_note(
    tmp_path: Path, real_ollama: Path
) -> None:
    """Ollama asks nobody for a key, and takes what has the name from the next request on."""
    engine = tiny_ollama(real_ollama, tmp_path) | {"slots": 1}
    site = ShardSite(tmp_path, TEXTS, engine, TINY_EXPERIMENT)
    journal = site.job().output.with_suffix(".journal.jsonl")

    def create(_: threading.Event) -> None:
        until(lambda: journal.exists() and journal.read_bytes().count(b'"text"') >= 1)
        (port,) = set(
            re.findall(r"Listening on 127.0.0.1:(\d+)", site.job().engine_log.read_text())
        )
        body = {"model": "tiny", "from": "tiny", "template": "{{ .Prompt }}", "stream": False}
        address = f"http://127.0.0.1:{port}/api/create"
        request = urllib.request.Request(address, json.dumps(body).encode())
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()

    with beside(create), pytest.raises(EngineRefused, match="has become another in the store"):
        site.answer()
    assert b'"text"' in journal.read_bytes()
    assert not servers_of(Path(engine["models"]))

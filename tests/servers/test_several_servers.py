"""A job with several servers: each its own GPU, port and log, one queue, and all of them ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from notemill.answers.live import read_live
from notemill.engines.staging import leave_all
from notemill.errors import NotemillError
from notemill.paths import live
from tests.processes import below, environment_of
from tests.servers.beside import beside
from tests.servers.shard_site import SICK, STANDIN, ShardSite
from tests.workflow.project import REPOSITORY

NOTES = [f"Visit {number}. Clear lungs." for number in range(40)]


def telling(tmp_path: Path) -> dict[str, Any]:
    """An engine whose servers write down which GPU and which store they were given."""
    says = f'echo "$CUDA_VISIBLE_DEVICES|$OLLAMA_MODELS" >> {tmp_path}/told; exec "$0" "$@"'
    return {"command": ["sh", "-c", says, *STANDIN], "servers": 2, "gpu": "auto"}


def told(tmp_path: Path) -> list[list[str]]:
    return sorted(line.split("|") for line in (tmp_path / "told").read_text().splitlines())


def notes_asked(folder: Path) -> list[str]:
    """Questions about notes, by their digest; the servers' probes ask for another length."""
    if not (folder / "asked.jsonl").exists():
        return []
    lines = (folder / "asked.jsonl").read_text().splitlines(keepends=True)
    requests = [json.loads(line) for line in lines if line.endswith("\n")]
    return [each["messages"] for each in requests if each["options"]["num_predict"] == 128]


def servers_of(folder: Path) -> list[psutil.Process]:
    """Servers of the site in this folder that have not ended."""
    found = psutil.Process().children()
    return [each for each in found if str(folder) in environment_of(each).get("STANDIN_FAULTS", "")]


@pytest.mark.parametrize(
    ("given", "each"),
    [("1,0", ["0", "1"]), ("GPU-aa,GPU-bb", ["GPU-aa", "GPU-bb"]), ("0,1,2,3", ["0,1", "2,3"])],
)
def test_each_server_has_a_gpu_of_its_own_and_every_note_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, each: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    site = ShardSite(tmp_path, NOTES, engine=telling(tmp_path))
    assert Counter(row["status"] for row in site.answer()) == {"answered": 40}
    assert [gpu for gpu, _ in told(tmp_path)] == each
    assert Counter(notes_asked(tmp_path)) == Counter(set(notes_asked(tmp_path)))
    assert len(notes_asked(tmp_path)) == 40
    assert all((tmp_path / name).stat().st_size for name in ("engine.log", "engine.2.log"))
    assert servers_of(tmp_path) == []
    state = read_live(live(site.job().output))
    assert state
    assert (state.servers, state.given_up, state.slots) == (2, 0, 3)


def test_gpus_that_can_not_be_shared_out_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    site = ShardSite(tmp_path, NOTES, engine=telling(tmp_path))
    with pytest.raises(NotemillError, match="3 GPUs can't be shared by 2 servers") as refused:
        site.answer()
    assert "set-resources" in refused.value.remedy
    assert not (tmp_path / "told").exists()


def test_a_site_that_sets_the_gpus_in_its_modules_does_not_undo_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    engine = telling(tmp_path) | {"setup": "export CUDA_VISIBLE_DEVICES=0,1"}
    ShardSite(tmp_path, NOTES[:2], engine=engine).answer()
    assert [gpu for gpu, _ in told(tmp_path)] == ["0", "1"]


def test_a_server_that_is_killed_costs_no_note(tmp_path: Path) -> None:
    slow = [{"fault": "slow", "value": 0.1, "match": "Visit"}]
    site = ShardSite(tmp_path, NOTES, engine={"servers": 2}, faults=slow)

    def kill(over: threading.Event) -> None:
        while len(notes_asked(tmp_path)) < 12:
            assert not over.wait(0.01)
        servers_of(tmp_path)[0].kill()

    with beside(kill):
        rows = site.answer()
    assert Counter(row["status"] for row in rows) == {"answered": 40}
    assert servers_of(tmp_path) == []


JOB = """
import sys
from pathlib import Path
from tests.servers.test_several_servers import NOTES, ShardSite
slow = [{"fault": "slow", "value": 0.5, "match": "Visit"}]
site = ShardSite(Path(sys.argv[1]), NOTES, engine={"servers": 3}, faults=slow)
site.answer()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_ends_ends_all_its_servers(tmp_path: Path, number: signal.Signals) -> None:
    job = subprocess.Popen([sys.executable, "-c", JOB, str(tmp_path)], cwd=REPOSITORY)
    while len(notes_asked(tmp_path)) < 9:
        assert job.poll() is None
        time.sleep(0.05)
    servers = below(job.pid)
    assert len(servers) >= 3
    job.send_signal(number)
    assert job.wait(timeout=300) != 0
    _, alive = psutil.wait_procs(servers, timeout=120)
    assert alive == []


def test_the_embedded_engine_runs_twice_and_answers_as_once(tmp_path: Path) -> None:
    answers = []
    for servers in (1, 2):
        folder = tmp_path / str(servers)
        folder.mkdir()
        site = ShardSite(
            folder,
            [SICK, *NOTES[:5]],
            engine={
                "kind": "llamacpp",
                "weights": str(REPOSITORY / "models" / "notemill-tiny.gguf"),
                "slots": 1,
                "servers": servers,
                "stage": {"to": str(folder / "disk")},
            },
        )
        rows = site.answer()
        answers.append([{n: v for n, v in row.items() if n.startswith("llm")} for row in rows])
    assert answers[0] == answers[1]
    leave_all()
    assert not list((tmp_path / "1" / "disk").rglob("*.gguf"))


def test_ollama_loads_the_model_from_the_nodes_disk(tmp_path: Path) -> None:
    engine = telling(tmp_path) | {"gpu": "off", "stage": {"to": str(tmp_path / "disk")}}
    site = ShardSite(tmp_path, NOTES[:3], engine=engine)
    assert Counter(row["status"] for row in site.answer()) == {"answered": 3}
    stores = {Path(store) for _, store in told(tmp_path)}
    (store,) = stores
    assert store.is_relative_to(tmp_path / "disk" / f"notemill-{os.getuid()}")
    original = tmp_path / "store"
    for path in (each for each in store.rglob("*") if each.is_file()):
        assert path.read_bytes() == (original / path.relative_to(store)).read_bytes()
    leave_all()
    assert not store.exists()

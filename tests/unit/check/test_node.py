"""What a node is asked and says, on this machine as the node; no Slurm."""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from notemill.check.node import LOCK, REPORT, REQUEST, Report, Request, look, read_again, written
from notemill.config import read_config
from notemill.locks import LockedFile
from tests.servers.standin import store
from tests.unit.check.conftest import Checked
from tests.workflow.project import REPOSITORY

STANDIN = Path(__file__).parents[2] / "servers" / "standin" / "ollama"


@pytest.fixture(autouse=True)
def _comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path.cwd())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def seen(checked: Checked, *, locked: bool = True, **database: Any) -> dict[str, str]:
    """Level by what is said, in the order in which it is."""
    folder = checked.folder / "private"
    folder.mkdir(mode=0o700, exist_ok=True)
    place = database.get("address", (str(checked.clinic.file), 0))
    config = written(checked.config)
    request = Request(folder=str(checked.folder), config=config, database=place)
    request.write(folder / REQUEST)
    with closing(LockedFile(folder / (LOCK if locked else "another"), "checking")):
        look(folder)
    report = Report.model_validate_json((folder / REPORT).read_bytes())
    return {finding.what: finding.level for finding in report.findings}


def level(said: dict[str, str], words: str) -> str:
    (found,) = [level for what, level in said.items() if words in what]
    return found


@pytest.mark.parametrize("example", ["config", "examples/files/config", "examples/pool/config"])
def test_a_node_reads_the_configuration_that_it_is_sent(example: str) -> None:
    path = REPOSITORY / example / "config.yaml"
    config = read_config(yaml.safe_load(path.read_text()))
    assert read_again(json.loads(json.dumps(written(config)))) == config


def test_a_node_on_which_all_is_well_says_so(checked: Checked) -> None:
    checked.engine["command"] = [sys.executable, str(STANDIN)]
    said = seen(checked)
    assert "refusal" not in said.values()
    assert next(iter(said)).startswith(f"{os.uname().nodename}, Slurm job")
    for words in ("Ollama 0.24.0 starts", "model m:1 is seen", "a lock of the login", "not needed"):
        assert level(said, words) == "ok"


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ({"command": ["nowhere"]}, "`nowhere --version` can't be run: No such file"),
        ({"setup": "no-such-module load x", "command": ["ollama"]}, "no-such-module"),
        ({"setup": "echo fine", "command": ["nowhere"]}, "can't be run: env: "),
        ({"command": ["false"]}, "`false --version` can't be run"),
        ({"command": ["echo", "hello"]}, "tells no version of Ollama"),
        ({"command": ["echo", "ollama version is 0.30.0"]}, "Ollama 0.30.0 counts cached tokens"),
        ({"command": ["apptainer-of-nobody", "exec", "/x.sif", "ollama"]}, "the image in the"),
        ({"models": "/absent"}, "the model store is not there"),
    ],
)
def test_what_keeps_an_ollama_from_starting_is_told(
    checked: Checked, engine: dict[str, Any], words: str
) -> None:
    checked.engine["command"] = [sys.executable, str(STANDIN)]
    checked.engine.update(engine)
    said = seen(checked)
    assert level(said, words) == ("warning" if "no version" in words else "refusal")
    assert level(said, "results is seen and written there") == "ok"


def test_a_model_that_only_the_login_node_sees_is_refused(checked: Checked) -> None:
    checked.engine["command"] = [sys.executable, str(STANDIN)]
    checked.experiment["model"] = "m:2"
    assert level(seen(checked), "does not see m:2 in the model store; it sees: m:1") == "refusal"
    store.make_model(checked.folder / "store", "m:2")
    assert level(seen(checked), "model m:2 is seen") == "ok"


def test_other_kinds_of_engine_are_tried_in_their_own_way(checked: Checked) -> None:
    weights = checked.folder / "model.gguf"
    checked.values["engines"]["local"] = {"kind": "llamacpp", "weights": str(weights)}
    said = seen(checked)
    assert level(said, "the embedded llama.cpp starts") == "ok"
    assert level(said, "weights are not there") == "refusal"
    weights.write_bytes(b"GGUF")
    checked.values["engines"]["local"] = {"kind": "openai", "command": ["{python}", "-m", "vllm"]}
    assert level(seen(checked), "its command is") == "ok"
    checked.values["engines"]["local"]["command"] = ["vllm-of-nobody", "serve"]
    assert level(seen(checked), "vllm-of-nobody") == "refusal"


def test_a_lock_that_does_not_hold_on_the_node_is_a_warning(checked: Checked) -> None:
    said = seen(checked, locked=False)
    assert level(said, "a file that the login node has locked is not locked there") == "warning"


def test_the_database_counts_where_jobs_need_it(checked: Checked) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert level(seen(checked, address=("127.0.0.1", port)), "is reached") == "ok"
    closed = ("127.0.0.1", port)
    assert level(seen(checked, address=closed), "is not reached from there, and need not") == "ok"
    checked.values["database"]["reached_from"] = "compute"
    assert level(seen(checked, address=closed), "is not reached from there") == "refusal"
    assert level(seen(checked), "is reached from there") == "ok"
    checked.clinic.file.unlink()
    assert level(seen(checked), "is not reached from there: it is not there") == "refusal"


def test_a_gpu_is_named_and_missed(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in nvidia-smi's place: GPUs are not for tests."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert level(seen(checked), "no nvidia-smi here") == "warning"
    programs = checked.folder / "bin"
    programs.mkdir()
    smi = programs / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'NVIDIA L40S, 46068 MiB, 550.54.15'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert level(seen(checked), "GPU NVIDIA L40S, 46068 MiB, driver 550.54.15") == "ok"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert level(seen(checked), "the job was given no GPU") == "warning"
    checked.engine["gpu"] = "required"
    assert level(seen(checked), "the job was given no GPU") == "refusal"
    checked.engine["gpu"] = "off"
    said = seen(checked)
    assert not [what for what in said if "given no GPU" in what]
    smi.write_text("#!/bin/sh\necho 'No devices were found'; exit 6\n")
    assert level(seen(checked), "nvidia-smi fails: No devices were found") == "refusal"

"""Servers for the tests of the stand-in; each ends with its module."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.random_model import write_random_model
from tests.servers.standin.store import make_model
from tests.unit.engines.standin.server import (
    CONTEXT,
    REAL,
    REAL_TOO,
    STANDIN,
    VERSIONS,
    Server,
    Start,
)


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts servers on the environment given, in sessions of their own, killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(command: list[str], **variables: str) -> Server:
        folder = tmp_path_factory.mktemp("server")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "OLLAMA_MODELS": str(folder / "models"),
            "OLLAMA_HOST": "127.0.0.1:0",
            "OLLAMA_CONTEXT_LENGTH": str(CONTEXT),
            "OLLAMA_NOPRUNE": "1",
            "OLLAMA_NO_CLOUD": "1",
            **variables,
        }
        log = folder / "log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [*command, "serve"], env=environment, stderr=stream, start_new_session=True
            )
        started.append(process)
        pattern = re.compile(r'msg="Listening on (127\.0\.0\.1:\d+) \(version ([0-9.]+)\)"')
        deadline = time.monotonic() + 60
        while not (found := pattern.search(log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return Server(command, environment, process, log, f"http://{found[1]}", found[2])

    yield begin
    for process in started:
        for child in psutil.process_iter():
            try:
                ours = os.getsid(child.pid) == process.pid
            except OSError:
                continue
            if ours:
                child.kill()
        process.wait()


@pytest.fixture(scope="module")
def start(launch: Start, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Starts the stand-in with the model `tiny` and the faults given."""

    def begin(*faults: dict[str, Any], era: str = "middle", **variables: str) -> Server:
        folder = tmp_path_factory.mktemp("standin")
        make_model(folder / "models", "tiny")
        (folder / "faults").write_text(json.dumps(faults))
        return launch(
            STANDIN,
            OLLAMA_MODELS=str(folder / "models"),
            STANDIN_ERA=era,
            STANDIN_FAULTS=str(folder / "faults"),
            STANDIN_JOURNAL=str(folder / "journal"),
            **variables,
        )

    return begin


@pytest.fixture(scope="module", params=[*VERSIONS, *REAL_TOO])
def server(
    request: pytest.FixtureRequest,
    start: Start,
    launch: Start,
    tmp_path_factory: pytest.TempPathFactory,
) -> Server:
    """The stand-in of each era, and a real Ollama; all without a GPU, with the model `tiny`."""
    if request.param != "real":
        return start(era=request.param)
    assert REAL
    real = launch([REAL], CUDA_VISIBLE_DEVICES="-1")
    folder = tmp_path_factory.mktemp("gguf")
    write_random_model(folder / "tiny.gguf")
    (folder / "Modelfile").write_text("FROM ./tiny.gguf\n")
    subprocess.run(
        [REAL, "create", "tiny", "-f", str(folder / "Modelfile")],
        env=real.environment | {"OLLAMA_HOST": real.address},
        check=True,
        capture_output=True,
    )
    return real

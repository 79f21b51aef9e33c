"""What a server's pod runs, as its manifest says it: the same words, other folders."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from demo.database import write_database
from tests.deploy.kustomized import manifests, pods
from tests.workflow.project import REPOSITORY

TOKEN = "token-of-the-secret-0123456789abcdef"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The volumes, the ConfigMap and the Secret as folders."""
    for folder in ("work", "config", "private"):
        (tmp_path / folder).mkdir()
    write_database(tmp_path / "work" / "clinical.sqlite")
    text = manifests("demo")["ConfigMap", "config"]["data"]["config.yaml"]
    (tmp_path / "config" / "config.yaml").write_text(here(text, tmp_path))
    token = tmp_path / "private" / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    return tmp_path


def here(text: str, folder: Path) -> str:
    """A pod's words with this machine's folders."""
    folders = {
        "/opt/notemill": REPOSITORY,
        "/run/notemill": folder / "private",
        "/config": folder / "config",
        "/work": folder / "work",
    }
    inside = rf"(?<![\w.-])({'|'.join(folders)})\b"
    return re.sub(inside, lambda found: str(folders[found[1]]), text)


def command(words: Sequence[str], folder: Path) -> list[str]:
    """A container's or a probe's command, here."""
    done = [here(word, folder).replace("$(POD_IP)", "127.0.0.1") for word in words]
    assert done[0] == "python"
    return [sys.executable, *(word for word in done[1:] if not word.startswith("--port="))]


def test_a_pod_is_ready_once_its_model_is_proven_and_leaves_nothing_behind(work: Path) -> None:
    (server,) = pods("demo")["server"]["containers"]
    words = command(server["readinessProbe"]["exec"]["command"], work)

    def ready() -> bool:
        return subprocess.run(words, cwd=REPOSITORY, check=False).returncode == 0

    assert not ready()
    environment_path = {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        command(server["args"], work), cwd=work / "work", env=environment_path | {"HOME": str(work)}
    )
    try:
        end = time.monotonic() + 600
        while not ready():
            assert process.poll() is None
            assert time.monotonic() < end
        endpoints = work / "work" / "endpoints"
        (token,) = endpoints.glob("*.token")
        assert token.read_text().strip() == TOKEN
        (published,) = endpoints.glob("*.json")
        assert json.loads(published.read_text())["model"] == "notemill-tiny"
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 0
        assert not list(endpoints.glob("*.json"))
        assert not ready()
    finally:
        process.kill()
        process.wait()

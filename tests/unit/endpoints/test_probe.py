"""What Kubernetes asks of a server's pod, and the token that a site gives to it."""

from __future__ import annotations

import platform
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from notemill.endpoints.probe import probe
from notemill.endpoints.publication import Endpoint, publish, read_token
from notemill.errors import NotemillError

TOKEN = "a" * 32


def published_here(folder: Path, node: str, expires_in: float = 60) -> None:
    """An endpoint at which no one listens."""
    now = datetime.now(UTC)
    endpoint = Endpoint(
        scheme="http",
        host="127.0.0.1",
        port=9,
        node=node,
        kind="llamacpp",
        engine="llama.cpp",
        model="m",
        digest="d" * 64,
        slots=1,
        context=1024,
        job="process 1",
        started=now,
        renewed=now,
        expires=now + timedelta(seconds=expires_in),
    )
    publish(folder, f"{node}.1", endpoint, TOKEN)


def test_a_pod_is_not_ready_before_its_server_is_published(tmp_path: Path) -> None:
    folder = tmp_path / "endpoints"
    assert "does not exist" in str(probe(folder, "pod-a"))
    published_here(folder, "pod-b")
    assert probe(folder, "pod-a") == "no server of this node is published yet"


def test_a_published_server_that_does_not_answer_is_not_ready(tmp_path: Path) -> None:
    published_here(tmp_path / "endpoints", platform.node())
    assert str(probe(tmp_path / "endpoints", platform.node())).startswith(f"{platform.node()}.1: ")


def test_a_server_that_does_not_renew_itself_is_not_ready(tmp_path: Path) -> None:
    published_here(tmp_path / "endpoints", "pod-a", expires_in=-3600)
    assert probe(tmp_path / "endpoints", "pod-a") not in (None, "")


@pytest.mark.parametrize(
    ("mode", "text", "said"),
    [(0o640, TOKEN, "open to others"), (0o600, "short", "no token"), (0o600, "", "no token")],
)
def test_a_token_that_others_read_or_that_is_none_is_refused(
    tmp_path: Path, mode: int, text: str, said: str
) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(NotemillError, match=said) as refused:
        read_token(file)
    assert TOKEN not in str(refused.value)


def test_a_token_is_read_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    assert read_token(file) == TOKEN

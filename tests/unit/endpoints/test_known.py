"""What a client takes of the endpoints that are named, and what it passes over with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from notemill.config import Options
from notemill.endpoints.known import endpoints_of
from notemill.endpoints.publication import Endpoint, publish
from notemill.endpoints.recording import recorded_model
from notemill.engines.protocol import Start
from notemill.engines.record import ModelRecord
from notemill.errors import EngineRefused, NotemillError
from notemill.tasks.task import Task
from tests.unit.conftest import config

TOKEN = "a-token-of-some-length-0123456789"


def endpoint(**changes: Any) -> Endpoint:
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "scheme": "https",
        "host": "gpu1",
        "port": 4000,
        "node": "gpu1",
        "kind": "ollama",
        "engine": "ollama 0.24.0",
        "model": "m:1",
        "digest": "abc",
        "slots": 4,
        "context": 4096,
        "job": "Slurm job 7",
        "started": now,
        "renewed": now,
        "expires": now + timedelta(seconds=120),
    }
    return Endpoint(**(values | changes))


def engine(folder: Path, **values: Any) -> Any:
    given = {"kind": "ollama", "endpoints": str(folder), **values}
    return config(engines={"local": given}).engines["local"]


def test_each_published_endpoint_comes_with_its_own_token(tmp_path: Path) -> None:
    for name in ("a", "b"):
        publish(tmp_path / "pool", name, endpoint(), TOKEN + name)
    seen = endpoints_of(engine(tmp_path / "pool"), "m:1")
    assert [(each.name, each.at.key) for each in seen.known] == [
        ("a", TOKEN + "a"),
        ("b", TOKEN + "b"),
    ]
    assert TOKEN not in repr(seen)
    assert {each.at.address for each in seen.known} == {"https://gpu1:4000"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": "other:1"}, "it has the model 'other:1', not 'm:1'"),
        ({"kind": "openai"}, "it is of kind openai, the engine of kind ollama"),
        ({"scheme": "http"}, "over the network unencrypted"),
    ],
)
def test_what_is_not_for_this_engine_is_passed_over(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    publish(tmp_path / "pool", "one", endpoint(**changes), TOKEN)
    seen = endpoints_of(engine(tmp_path / "pool"), "m:1")
    assert seen.known == []
    assert why in seen.passed_over["one"]


def test_plain_http_is_taken_on_a_trusted_network(tmp_path: Path) -> None:
    publish(tmp_path / "pool", "one", endpoint(scheme="http"), TOKEN)
    assert endpoints_of(engine(tmp_path / "pool", trusted_network=True), "m:1").known


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"digest": "xyz"}, "has the digest xyz"), ({"context": 2048}, "2048 tokens of context")],
)
def test_what_is_published_is_held_against_the_record_before_it_is_asked(
    tmp_path: Path, task: Task, changes: dict[str, Any], why: str
) -> None:
    publish(tmp_path / "pool", "one", endpoint(**changes), TOKEN)
    (known,) = endpoints_of(engine(tmp_path / "pool"), "m:1").known
    record = ModelRecord(
        engine="ollama", model="m:1", digest="abc", weights_sha256="", recorded_at="today"
    )
    start = Start(task, Options(num_ctx=4096), record, tmp_path / "log", 1, 1)
    with pytest.raises(EngineRefused, match=why):
        known.refuse(start)


def test_a_folder_that_does_not_exist_or_is_open_to_others_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match="does not exist"):
        endpoints_of(engine(tmp_path / "pool"), "m:1")
    publish(tmp_path / "pool", "one", endpoint(), TOKEN)
    (tmp_path / "pool").chmod(0o770)
    with pytest.raises(NotemillError, match="open to others"):
        endpoints_of(engine(tmp_path / "pool"), "m:1")


def test_a_token_that_others_may_read_is_passed_over(tmp_path: Path) -> None:
    publish(tmp_path / "pool", "one", endpoint(), TOKEN)
    (tmp_path / "pool" / "one.token").chmod(0o644)
    seen = endpoints_of(engine(tmp_path / "pool"), "m:1")
    assert seen.known == []
    assert "its token is open to others" in seen.passed_over["one"]


def test_the_key_of_a_list_must_be_the_users_alone(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n")
    key.chmod(0o644)
    listed = engine(tmp_path, endpoints=["https://a", "https://b"], api_key_file=str(key))
    with pytest.raises(NotemillError, match="open to others"):
        endpoints_of(listed, "m:1")
    key.chmod(0o600)
    assert [each.at.key for each in endpoints_of(listed, "m:1").known] == ["secret", "secret"]
    key.unlink()
    with pytest.raises(NotemillError, match="can't be read"):
        endpoints_of(listed, "m:1")


def test_a_model_that_endpoints_alone_have_is_recorded_by_its_digest(tmp_path: Path) -> None:
    for name in ("a", "b"):
        publish(tmp_path / "pool", name, endpoint(), TOKEN)
    record = recorded_model(engine(tmp_path / "pool"), "m:1", tmp_path / "log")
    assert (record.digest, record.engine, record.model) == ("abc", "ollama", "m:1")
    publish(tmp_path / "pool", "b", endpoint(digest="xyz"), TOKEN)
    with pytest.raises(EngineRefused, match="a has abc, b has xyz"):
        recorded_model(engine(tmp_path / "pool"), "m:1", tmp_path / "log")


def test_nothing_is_recorded_of_an_empty_pool(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir(mode=0o700)
    with pytest.raises(NotemillError, match="no endpoint has the model 'm:1'"):
        recorded_model(engine(tmp_path / "pool"), "m:1", tmp_path / "log")

"""What goes wrong with the stand-in when it is told to."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.servers.standin.faults import Faults
from tests.unit.engines.standin.server import TOO_LONG, Start, journal


@pytest.mark.parametrize(
    ("rule", "status", "message"),
    [
        (
            {"fault": "cold_503"},
            503,
            "server busy, please try again.  maximum pending requests exceeded",
        ),
        ({"fault": "error_500", "value": "any words"}, 500, "any words"),
        ({"fault": "exceed_context"}, 400, TOO_LONG["middle"]),
        (
            {"fault": "runner_crash"},
            500,
            "an error was encountered while running the model: unexpected EOF",
        ),
    ],
)
def test_faults_that_refuse_so_many_times_and_what_they_match(
    start: Start, rule: dict[str, Any], status: int, message: str
) -> None:
    server = start(rule | {"match": "bad", "times": 2})
    assert server.answer("good")
    for _ in range(2):
        reply = server.chat("bad")
        assert (reply.status_code, reply.json()) == (status, {"error": message})
    assert server.answer("bad")
    met = [line["faults"] for line in journal(server)]
    assert met == [[], [rule["fault"]], [rule["fault"]], []]


def test_a_runner_that_is_killed_loses_what_it_worked_on_and_what_waited(start: Start) -> None:
    server = start({"fault": "slow", "match": "slow", "value": 60})
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(server.chat, "slow") for _ in range(2)]
        while len(journal(server)) < 2:
            time.sleep(0.01)
        [runner] = server.children()
        runner.kill()
        errors = {request.result().json()["error"] for request in asked}
    assert errors == {
        "an error was encountered while running the model: unexpected EOF",
        "llama runner process no longer running: -1 ",
    }
    assert server.answer("x")


def test_faults_under_status_200(start: Start) -> None:
    server = start(
        {"fault": "done_false", "match": "repeats"},
        {"fault": "cut", "match": "cut"},
        {"fault": "invalid_json", "match": "invalid"},
        {"fault": "drop_system", "match": "dropped"},
    )
    good = server.chat("x").json()
    aborted = server.chat("repeats").json()
    assert (aborted["done"], "eval_count" in aborted) == (False, False)
    cut = server.chat("cut").json()
    assert (cut["done"], cut["done_reason"]) == (True, "length")
    invalid = server.chat("invalid").json()
    assert (invalid["done"], invalid["done_reason"]) == (True, "stop")
    for reply in (aborted, cut, invalid):
        with pytest.raises(ValueError):
            json.loads(reply["message"]["content"])
    dropped = server.chat("dropped").json()
    assert dropped["done_reason"] == "stop"
    assert dropped["prompt_eval_count"] < good["prompt_eval_count"]
    assert json.loads(dropped["message"]["content"])["response"] == "(1) Likely"


def test_faults_of_the_answer(start: Start) -> None:
    server = start(
        {"fault": "ignores_schema", "match": "free"},
        {"fault": "schema_violation", "match": "bounds"},
        {"fault": "schema_violation", "match": "value", "value": {"response": "(4) None"}},
        {"fault": "answer", "match": "told", "value": {"response": "(2) Unlikely"}},
        {"fault": "native_key_order", "match": "native"},
    )
    assert "response" not in server.answer("free")
    assert server.answer("value")["response"] == "(4) None"
    assert server.answer("told") == {"response": "(2) Unlikely"}
    assert list(server.answer("native")) == ["alive", "explanation", "response"]
    share = {"type": "number", "minimum": 0, "maximum": 1}
    schema = {"type": "object", "properties": {"share": share}, "required": ["share"]}
    assert 0 <= server.answer("x", format=schema)["share"] <= 1
    assert server.answer("bounds", format=schema)["share"] > 1


def test_faults_of_the_whole_server(start: Start) -> None:
    server = start(
        {"fault": "version", "value": "0.99.1"},
        {"fault": "wrong_digest"},
        {"fault": "size_vram", "value": 0.5},
        {"fault": "context_length", "value": 256},
        {"fault": "single_slot"},
        {"fault": "pull_error", "value": "pull model manifest: file does not exist"},
        CUDA_VISIBLE_DEVICES="0",
    )
    assert server.version == "0.99.1"
    assert server.get("/api/version") == {"version": "0.99.1"}
    assert server.get("/api/tags")["models"][0]["digest"] == "0" * 64
    server.chat("x")
    [loaded] = server.get("/api/ps")["models"]
    assert loaded["size_vram"] == loaded["size"] // 2
    assert loaded["context_length"] == 256
    assert "does not currently support parallel requests" in server.log.read_text()
    reply = server.post("/api/pull", model="other")
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert (reply.status_code, lines[0]) == (200, {"status": "pulling manifest"})
    assert lines[-1] == {"error": "pull model manifest: file does not exist"}
    reply = server.post("/api/pull", model="other", stream=False)
    assert (reply.status_code, reply.json()) == (500, lines[-1])


def test_it_can_be_told_to_crash(start: Start) -> None:
    server = start({"fault": "crash", "match": "crash"})
    with pytest.raises(httpx.TransportError):
        server.chat("crash")
    assert server.process.wait() == -signal.SIGKILL


def test_a_pattern_with_a_lookahead_kills_it(start: Start) -> None:
    server = start(era="middle")
    with pytest.raises(httpx.TransportError):
        server.chat("x", format={"type": "string", "pattern": "^(?=a)[ab]$"})
    assert server.process.wait() == 2


def test_an_unknown_fault_keeps_it_from_starting() -> None:
    with pytest.raises(ValueError, match="no fault 'nosuch'; there are: cold_503"):
        Faults([{"fault": "nosuch"}])

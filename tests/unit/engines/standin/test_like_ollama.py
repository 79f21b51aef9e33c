"""The stand-in for Ollama, held to what a real Ollama does.

What both can do is asserted of the stand-in in each of its eras and, where NOTEMILL_OLLAMA names
a real `ollama`, of that too.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.engines.standin.server import (
    CLIENT,
    CONTEXT,
    REAL,
    REAL_TOO,
    SCHEMA,
    TOO_LONG,
    Server,
    Start,
)

MESSAGE = {"role": "user", "content": "x"}


def test_a_real_ollama_takes_part() -> None:
    if not REAL:
        pytest.skip("the stand-in is held to its own facts only: NOTEMILL_OLLAMA names no ollama")
    assert Path(REAL).is_file()


def test_it_tells_its_version(server: Server) -> None:
    assert server.get("/api/version") == {"version": server.version}
    assert CLIENT.get(server.address).text == "Ollama is running"


def test_the_digest_is_that_of_the_manifest_file(server: Server) -> None:
    store = Path(server.environment["OLLAMA_MODELS"])
    manifest = store / "manifests" / "registry.ollama.ai" / "library" / "tiny" / "latest"
    [model] = server.get("/api/tags")["models"]
    assert model["name"] == "tiny:latest"
    assert model["digest"] == hashlib.sha256(manifest.read_bytes()).hexdigest()
    for layer in json.loads(manifest.read_text())["layers"]:
        blob = store / "blobs" / layer["digest"].replace(":", "-")
        assert layer["digest"] == "sha256:" + hashlib.sha256(blob.read_bytes()).hexdigest()
    shown = server.post("/api/show", model="tiny").json()
    assert shown["model_info"]["llama.context_length"] == 32768
    assert "digest" not in shown


def test_a_preload_loads_and_the_context_is_as_asked_for_or_as_the_model_holds(
    server: Server,
) -> None:
    for path in ["/api/chat", "/api/generate"]:
        reply = server.post(path, model="tiny", messages=[]).json()
        assert (reply["done"], reply["done_reason"]) == (True, "load")
    [loaded] = server.get("/api/ps")["models"]
    assert (loaded["context_length"], loaded["size_vram"]) == (CONTEXT, 0)
    assert loaded["size"] > 0
    assert loaded["digest"] == server.get("/api/tags")["models"][0]["digest"]
    for asked, given in [(1024, 1024), (1 << 16, 1 << 15), (CONTEXT, CONTEXT)]:
        server.chat("x", options={"num_ctx": asked, "num_predict": 1})
        [loaded] = server.get("/api/ps")["models"]
        assert loaded["context_length"] == given
    reply = server.post("/api/chat", model="tiny", messages=[], keep_alive=0).json()
    assert reply["done_reason"] == "unload"
    while server.get("/api/ps") != {"models": []}:
        time.sleep(0.01)


def test_an_answer_obeys_the_schema_in_its_order_and_is_counted(server: Server) -> None:
    answer = server.answer("a cough")
    assert list(answer) == SCHEMA["required"]
    assert answer["response"] in SCHEMA["properties"]["response"]["enum"]
    reply = server.chat("a cough", think=False, truncate=False, shift=False).json()
    assert json.loads(reply["message"]["content"]) == answer
    counts = ["total_duration", "load_duration", "prompt_eval_count", "eval_count", "eval_duration"]
    assert all(reply[name] > 0 for name in counts)
    longer = server.chat("a cough" + "x" * 80).json()["prompt_eval_count"]
    assert longer > reply["prompt_eval_count"]


def test_a_stream_is_the_same_answer_in_lines(server: Server) -> None:
    reply = server.chat("a cough", stream=True)
    assert reply.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in reply.text.splitlines()]
    text = "".join(line["message"]["content"] for line in lines)
    assert json.loads(text) == server.answer("a cough")
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]


def test_num_predict_cuts_the_answer(server: Server) -> None:
    reply = server.chat("a cough", options={"num_predict": 3}).json()
    assert (reply["done_reason"], reply["eval_count"]) == ("length", 3)
    with pytest.raises(ValueError):
        json.loads(reply["message"]["content"])


def test_a_prompt_beyond_the_context(server: Server) -> None:
    huge, half = server.text(4 * CONTEXT), server.text(CONTEXT * 6 // 10)
    for note, system in [(huge, "S"), ("N", huge), (half, half)]:
        reply = server.chat(note, system=system, truncate=False, shift=False)
        assert reply.status_code == 400
        assert TOO_LONG[server.era] in reply.json()["error"]
    loose = server.chat(huge)
    assert loose.status_code == 200
    assert loose.json()["prompt_eval_count"] == (CONTEXT // 2 if server.era == "new" else CONTEXT)
    assert "truncating input prompt" in server.log.read_text()


def test_an_answer_that_does_not_fit_beside_its_prompt(server: Server) -> None:
    room = CONTEXT - 10 - server.chat("").json()["prompt_eval_count"]
    reply = server.chat(server.text(room), shift=False).json()
    assert reply["prompt_eval_count"] == CONTEXT - 10
    assert (reply["done_reason"], reply["eval_count"]) == ("length", 11)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"model": "none"}, 404, "not found"),
        ({"model": ""}, 400, "model is required"),
        ({"options": {"num_ctx": "x"}}, 500, 'option "num_ctx" must be of type integer'),
        ({"options": {"temperature": "0"}}, 500, 'option "temperature" must be of type float32'),
        ({"think": True}, 400, "does not support thinking"),
        ({"format": "xml"}, 500, 'invalid format: "\\"xml\\""; expected "json"'),
    ],
)
def test_a_request_that_is_refused(
    server: Server, body: dict[str, Any], status: int, message: str
) -> None:
    whole: dict[str, Any] = {"model": "tiny", "stream": False, "messages": [MESSAGE]}
    reply = server.post("/api/chat", **(whole | body))
    assert reply.status_code == status
    assert message in reply.json()["error"]


def test_an_unknown_option_is_ignored(server: Server) -> None:
    assert server.chat("x", options={"nosuch": 1}).status_code == 200


@pytest.mark.parametrize("schema", [{"type": "nosuch"}, {"$ref": "#/$defs/none"}])
def test_a_schema_that_no_grammar_can_be_made_of(server: Server, schema: dict[str, Any]) -> None:
    reply = server.chat("x", format=schema)
    if server.era == "new":
        assert reply.status_code == 400
    else:
        assert reply.status_code == 500
        assert reply.json()["error"] == "invalid JSON schema in format"


@pytest.mark.parametrize("server", ["middle", *REAL_TOO], indirect=True)
def test_a_pattern_without_anchors(server: Server) -> None:
    reply = server.chat("x", format={"type": "string", "pattern": "[ab]"})
    assert reply.status_code == 500
    assert reply.json()["error"] == "invalid JSON schema in format"


def test_a_body_that_is_no_json(server: Server) -> None:
    for content, message in [("", "missing request body"), ("{bad", "invalid character")]:
        reply = CLIENT.post(f"{server.address}/api/chat", content=content)
        assert reply.status_code == 400
        assert message in reply.json()["error"]


def test_a_request_that_names_another_host_is_refused(server: Server) -> None:
    reply = CLIENT.get(f"{server.address}/api/version", headers={"Host": "example.org"})
    assert reply.status_code == 403


def ended(server: Server, *arguments: str, **variables: str | None) -> tuple[int, str]:
    """The exit status and standard error of the server's program run on its own."""
    environment = server.environment | {k: v for k, v in variables.items() if v is not None}
    for name in (name for name, value in variables.items() if value is None):
        del environment[name]
    done = subprocess.run(
        [*server.command, *arguments],
        env=environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr.decode()


def test_what_keeps_it_from_starting(server: Server) -> None:
    assert ended(server, "serve", "--host", "x") == (1, "Error: unknown flag: --host\n")
    assert ended(server, "serve", HOME=None) == (1, "Error: $HOME is not defined\n")
    assert ended(server, "serve", HOME=None, OLLAMA_MODELS=None)[0] == 2
    assert ended(server, "serve", HOME="/proc/nowhere")[0] == 1
    taken = server.address.removeprefix("http://")
    status, text = ended(server, "serve", OLLAMA_HOST=taken)
    assert status == 1
    assert f"Error: listen tcp {taken}: bind: address already in use\n" in text


def test_it_leaves_a_key_in_its_home(server: Server) -> None:
    assert (Path(server.environment["HOME"]) / ".ollama" / "id_ed25519").is_file()


def test_an_invalid_port_becomes_the_default_one(server: Server) -> None:
    environment = server.environment | {"OLLAMA_HOST": "127.0.0.1:99999"}
    with subprocess.Popen(
        [*server.command, "serve"], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:  # it listens there, or someone else does
            lines.append(line)
            if "127.0.0.1:11434" in line:
                break
        process.terminate()
    assert any("invalid port, using default" in line for line in lines)
    assert "127.0.0.1:11434" in lines[-1]


def test_killing_the_server_leaves_its_runner_and_ending_it_does_not(
    server: Server, launch: Start
) -> None:
    for number, runner_lives in [(signal.SIGTERM, False), (signal.SIGKILL, True)]:
        own = {name: server.environment[name] for name in ("OLLAMA_MODELS",)}
        other = launch(server.command, **own)
        other.chat("x")
        runners = other.children()
        assert runners
        other.process.send_signal(number)
        assert other.process.wait(timeout=30) == (0 if number == signal.SIGTERM else -number)
        assert any(runner.is_running() for runner in runners) == runner_lives
        for runner in runners:
            if runner.is_running():
                runner.kill()

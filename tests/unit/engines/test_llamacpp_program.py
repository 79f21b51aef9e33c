"""llama.cpp's server as a command, with the random model."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.random_model import CONTEXT_LENGTH, write_random_model

COMMAND = [sys.executable, "-m", "notemill.engines.llamacpp.program"]
CLIENT = httpx.Client()
KEY = "a-key-of-the-tests"
CONTEXT = 512
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "response": {"type": "string", "enum": ["(2) Unlikely", "(1) Likely"]},
        "explanation": {"type": "string"},
        "age": {"type": "integer"},
        "findings": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["response", "explanation", "age", "findings"],
}
ENDLESS: dict[str, Any] = {
    "response_format": {"type": "text"},
    "ignore_eos": True,
    "max_tokens": CONTEXT_LENGTH - 100,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "random.gguf"
    write_random_model(path)
    return path


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server and its address; killed afterwards."""
    with subprocess.Popen(
        [*COMMAND, "--threads", "1", *arguments], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith("Listening on 127.0.0.1:"), line
            yield process, "http://" + line.split()[-1]
        finally:
            process.kill()


@pytest.fixture(scope="module")
def address(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    key_file = tmp_path_factory.mktemp("key") / "key"
    key_file.write_text(KEY + "\n")
    options = ["--slots", "2", "--context", str(CONTEXT), "--api-key-file", str(key_file)]
    with running("--model", str(model), "--alias", "tiny", *options) as (_, address):
        yield address


def chat(address: str, note: str = "cough", timeout_s: Any = 60, **fields: Any) -> httpx.Response:
    body = {
        "messages": [
            {"role": "system", "content": "Answer."},
            {"role": "user", "content": note},
        ],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
        "max_tokens": 300,
        "temperature": 0,
        **fields,
    }
    return CLIENT.post(
        f"{address}/v1/chat/completions",
        json=body,
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=timeout_s,
    )


def answer(reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    choice = reply.json()["choices"][0]
    assert choice["finish_reason"] == "stop"
    return str(choice["message"]["content"])


def test_the_random_model_answers_in_json_that_obeys_the_schema_and_ends(address: str) -> None:
    notes = [f"{number} cough " * 20 for number in range(30)]
    answers = [json.loads(answer(chat(address, note))) for note in notes]
    assert all(list(found) == SCHEMA["required"] for found in answers)  # in the order declared
    assert {found["response"] for found in answers} == {"(1) Likely", "(2) Unlikely"}
    assert all(isinstance(found["age"], int) for found in answers)
    assert len({found["explanation"] for found in answers}) > 10  # they depend on the note


def test_the_same_request_gives_the_same_answer(address: str) -> None:
    alone = [answer(chat(address, f"note {number}")) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda number: answer(chat(address, f"note {number}")), range(8)))
    assert alone == together


def test_prompt_tokens_count_the_whole_prompt(address: str) -> None:
    counts = [
        chat(address, note).json()["usage"]["prompt_tokens"] for note in ("", "x", "x", "x" * 100)
    ]
    assert [count - counts[0] for count in counts] == [0, 1, 1, 100]


def test_a_prompt_that_leaves_no_room_is_refused(address: str) -> None:
    empty = chat(address, "").json()["usage"]["prompt_tokens"]
    reply = chat(address, "x" * (CONTEXT - empty))
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "exceed_context_size_error"
    assert reply.json()["error"]["n_prompt_tokens"] == CONTEXT
    last = chat(address, "x" * (CONTEXT - empty - 1)).json()
    assert last["choices"][0]["finish_reason"] == "length"
    assert last["usage"]["total_tokens"] == CONTEXT


def test_a_schema_that_is_none_is_refused(address: str) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "nosuch"}}}
    reply = chat(address, response_format=schema)
    assert reply.status_code == 400
    assert "unrecognized type nosuch" in reply.json()["error"]["message"]


def test_an_abandoned_request_frees_its_slot(model: Path) -> None:
    with running("--model", str(model), "--context", str(CONTEXT_LENGTH)) as (_, address):
        for _ in range(10):  # each would take the only slot for half a minute
            with pytest.raises(httpx.ReadTimeout):
                chat(address, timeout_s=0.2, **ENDLESS)
        assert answer(chat(address))


def test_the_key_is_asked_for_and_nothing_but_the_api_is_served(address: str) -> None:
    assert httpx.get(f"{address}/health").json() == {"status": "ok"}
    assert httpx.get(f"{address}/v1/models").status_code == 401
    headers = {"Authorization": f"Bearer {KEY}"}
    models = httpx.get(f"{address}/v1/models", headers=headers).json()["data"]
    assert [(each["id"], each["meta"]["n_ctx"]) for each in models] == [("tiny", CONTEXT)]
    assert httpx.get(f"{address}/slots", headers=headers).status_code == 501
    assert httpx.get(f"{address}/", headers=headers).status_code == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_even_with_requests_running(model: Path, number: int) -> None:
    with running("--model", str(model), "--context", str(CONTEXT_LENGTH)) as (process, address):
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(chat, address, "cough", **ENDLESS)
            time.sleep(0.3)
            process.send_signal(number)
            assert process.wait(timeout=10) == 0
            with pytest.raises(httpx.TransportError):
                request.result()


def test_it_ends_with_the_process_that_started_it(model: Path) -> None:
    parent = (
        "import subprocess, sys\n"
        "server = subprocess.Popen(sys.argv[1:], stderr=subprocess.PIPE)\n"
        "server.stderr.readline()\n"
        "print(server.pid)\n"
    )
    command = [*COMMAND, "--threads", "1", "--model", str(model)]
    done = subprocess.run(
        [sys.executable, "-c", parent, *command], check=True, capture_output=True, text=True
    )
    try:
        server = psutil.Process(int(done.stdout))
        deadline = time.monotonic() + 10
        while server.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        pass


def test_no_note_reaches_its_output(model: Path) -> None:
    with running("--model", str(model), "--context", str(CONTEXT)) as (process, address):
        chat(address, "SECRET")
        chat(address, "SECRET" * CONTEXT)
        chat(address, "SECRET", response_format={"type": "SECRET"})
        httpx.post(f"{address}/v1/chat/completions", content='{"messages": SECRET')
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
        assert process.stderr is not None
        assert "SECRET" not in process.stderr.read()


def failing(*arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr.strip()


def test_what_keeps_it_from_starting_is_one_line(model: Path, tmp_path: Path) -> None:
    cut, text, empty = tmp_path / "cut.gguf", tmp_path / "text.gguf", tmp_path / "empty"
    cut.write_bytes(model.read_bytes()[:100_000])
    text.write_text("no model")
    empty.touch()
    absent = tmp_path / "absent"
    good = ["--model", str(model)]
    assert failing("--model", str(absent)) == (
        f"Error: cannot read the model file {absent}: No such file or directory"
    )
    assert failing("--model", str(text)) == f"Error: the model file {text} is not a GGUF file"
    broken = failing("--model", str(cut))
    assert broken.startswith(f"Error: cannot load the model file {cut}: ")
    assert broken.endswith("model is corrupted or incomplete")
    assert failing(*good, "--api-key-file", str(empty)) == (
        f"Error: the API key file {empty} is empty"
    )
    assert failing(*good, "--context", "40000") == (
        f"Error: the model {model} holds at most 32768 tokens, --context asks for 40000"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in failing(*good, "--port", str(port))


def test_it_answers_past_a_proxy(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "http_proxy", "http://127.0.0.1:9")
    with running("--model", str(model), "--context", str(CONTEXT)):
        pass

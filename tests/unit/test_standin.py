"""The stand-in for Ollama, held to what a real Ollama does.

What both can do is asserted of the stand-in in each of its eras and, where NOTEMILL_OLLAMA names
a real `ollama`, of that too.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import httpx
import psutil
import pytest
from pydantic import BaseModel, Field

from notemill.demo.random_model import write_random_model
from tests.servers.standin.faults import Faults
from tests.servers.standin.store import make_model

PROGRAM = Path(__file__).parents[1] / "servers" / "standin" / "ollama"
STANDIN = [sys.executable, str(PROGRAM)]
REAL = os.environ.get("NOTEMILL_OLLAMA")
VERSIONS = {"old": "0.11.10", "middle": "0.24.0", "new": "0.33.0"}
CONTEXT = 512
CLIENT = httpx.Client(timeout=120)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "response": {"type": "string", "enum": ["(1) Likely", "(2) Unlikely"]},
        "explanation": {"type": "string"},
        "alive": {"type": "boolean"},
    },
    "required": ["response", "explanation", "alive"],
}
TOO_LONG = {
    "middle": "the input length exceeds the context length",
    "new": "exceeds the available context size",
}


@dataclass
class Server:
    """A running `ollama serve`."""

    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    address: str
    version: str

    @property
    def era(self) -> str:
        minor = int(self.version.split(".")[1])
        return "old" if minor < 12 else "middle" if minor < 30 else "new"

    def post(self, path: str, timeout_s: float = 120, **body: Any) -> httpx.Response:
        return CLIENT.post(self.address + path, json=body, timeout=timeout_s)

    def get(self, path: str) -> Any:
        return CLIENT.get(self.address + path).json()

    def chat(
        self,
        note: str,
        system: str | None = "Is there pneumonia?",
        options: dict[str, Any] | None = None,
        timeout_s: float = 120,
        **fields: Any,
    ) -> httpx.Response:
        """One request as a batch sends it."""
        messages = [{"role": "user", "content": note}]
        if system is not None:
            messages.insert(0, {"role": "system", "content": system})
        body = {"model": "tiny", "stream": False, "messages": messages, "format": SCHEMA}
        body |= {"options": {"num_predict": 200, "temperature": 0, **(options or {})}}
        return self.post("/api/chat", timeout_s, **(body | fields))

    def answer(self, note: str, **fields: Any) -> Any:
        """The parsed answer of a request that must end well."""
        reply = self.chat(note, **fields)
        assert reply.status_code == 200, reply.text
        assert (reply.json()["done"], reply.json()["done_reason"]) == (True, "stop")
        return json.loads(reply.json()["message"]["content"])

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


Start = Callable[..., Server]


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


@pytest.fixture(scope="module", params=[*VERSIONS, "real"])
def server(
    request: pytest.FixtureRequest,
    start: Start,
    launch: Start,
    tmp_path_factory: pytest.TempPathFactory,
) -> Server:
    """The stand-in of each era, and a real Ollama; all without a GPU, with the model `tiny`."""
    if request.param != "real":
        return start(era=request.param)
    if not REAL:
        pytest.skip("NOTEMILL_OLLAMA names no ollama")
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


# What the stand-in and a real Ollama do alike.


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
    for path, body in [("/api/chat", {"messages": []}), ("/api/generate", {})]:
        reply = server.post(path, model="tiny", **body).json()
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
    assert server.get("/api/ps") == {"models": []}


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
    huge, half = "x " * 4 * CONTEXT, "x" * 4 * (CONTEXT * 6 // 10)
    if server.version == REAL_VERSION:
        half = half[::4]  # the random model has a token for each character
    strict = {"truncate": False, "shift": False}
    for note, system in [(huge, "S"), ("N", huge), (half, half)]:
        reply = server.chat(note, system=system, **strict)
        if server.era == "old":
            tokens = reply.json()["prompt_eval_count"]
            alone = server.chat(note, system=None).json()["prompt_eval_count"]
            assert tokens == alone <= CONTEXT  # the system prompt was dropped
        else:
            assert reply.status_code == 400
            assert TOO_LONG[server.era] in reply.json()["error"]
    loose = server.chat(huge)
    assert loose.status_code == 200
    assert loose.json()["prompt_eval_count"] == (CONTEXT // 2 if server.era == "new" else CONTEXT)
    assert "truncating input prompt" in server.log.read_text()


def test_an_answer_that_does_not_fit_beside_its_prompt_is_cut_without_shift(
    server: Server,
) -> None:
    if server.era == "old":
        pytest.skip("this version knows no shift")
    note, one = "", "x" * (1 if server.version == REAL_VERSION else 4)
    room = CONTEXT - 10 - server.chat(note).json()["prompt_eval_count"]
    reply = server.chat(one * room, shift=False).json()
    assert (reply["prompt_eval_count"], reply["done_reason"]) == (CONTEXT - 10, "length")
    assert reply["eval_count"] == 11


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
    reply = server.post("/api/chat", **({"model": "tiny", "messages": [MESSAGE]} | body))
    assert reply.status_code == status
    assert message in reply.json()["error"]


def test_an_unknown_option_is_ignored(server: Server) -> None:
    assert server.chat("x", options={"nosuch": 1}).status_code == 200


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nosuch"},
        {"$ref": "#/$defs/none"},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "[ab]"}}},
    ],
)
def test_a_schema_that_no_grammar_can_be_made_of(server: Server, schema: dict[str, Any]) -> None:
    if server.era == "new":
        pytest.skip("not seen on a real server of this era")
    reply = server.chat("x", format=schema)
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
        [*server.command, *arguments], env=environment, capture_output=True, check=False
    )
    return done.returncode, done.stderr.decode()


def test_what_keeps_it_from_starting(server: Server) -> None:
    assert ended(server, "serve", "--host", "x") == (1, "Error: unknown flag: --host\n")
    assert ended(server, "serve", HOME=None) == (1, "Error: $HOME is not defined\n")
    assert ended(server, "serve", HOME=None, OLLAMA_MODELS=None)[0] == 2
    assert ended(server, "serve", HOME="/dev/null")[0] == 1
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


# What only the stand-in does.

MESSAGE = {"role": "user", "content": "x"}
REAL_VERSION = (
    subprocess.run([REAL, "--version"], capture_output=True, text=True, check=True)
    .stdout.split()[-1]
    .strip()
    if REAL
    else None
)

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

from tests.random_model import write_random_model
from tests.servers.standin.faults import Faults
from tests.servers.standin.store import make_model

PROGRAM = Path(__file__).parents[2] / "servers" / "standin" / "ollama"
STANDIN = [sys.executable, str(PROGRAM)]
REAL = os.environ.get("NOTEMILL_OLLAMA")
REAL_TOO = ["real"] if REAL else []
VERSIONS = {"middle": "0.24.0", "new": "0.33.0"}
CONTEXT = 512
MESSAGE = {"role": "user", "content": "x"}
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
        return "middle" if minor < 30 else "new"

    def text(self, tokens: int) -> str:
        """A text of so many tokens: the random model has one for each character."""
        return "x" * tokens * (1 if self.command == [REAL] else 4)

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


# What the stand-in and a real Ollama do alike.


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


# What only the stand-in does.


def test_the_program_runs_by_itself() -> None:
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"ollama version is {VERSIONS['middle']}\n"


def test_the_answer_tells_which_note_and_whether_a_system_prompt_it_was_made_from(
    start: Start,
) -> None:
    server = start()
    note = "Chest film.\nImpression: Pneumonia in the left lower lobe, and more than that.\n\n"
    quote = "Impression: Pneumonia in the left lower "
    assert len(quote) == 40
    sick = {"response": "(1) Likely", "explanation": quote, "alive": True}
    well = {"response": "(2) Unlikely", "explanation": "All is clear", "alive": False}
    assert server.answer(note) == sick
    assert server.answer("All is clear") == well
    assert server.answer("All is clear", system=None)["response"] == "(1) Likely"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    name: str = Field(min_length=3, max_length=5)


class Everything(BaseModel):
    zeta: Literal["yes", "no"]
    colour: Colour
    one: Literal["one"]
    age: int = Field(ge=3, le=5)
    share: float = Field(gt=0, lt=1)
    maybe: int | None
    parts: list[Part] = Field(min_length=2, max_length=3)
    words: list[str]
    day: date
    pair: tuple[int, bool]
    either: Part | bool
    later: str = "optional"


def test_an_answer_validates_against_a_model_of_the_usual_types(start: Start) -> None:
    server = start()
    answer = server.answer("x", format=Everything.model_json_schema())
    assert list(answer) == list(Everything.model_fields)
    Everything.model_validate(answer)


@pytest.mark.parametrize(("era", "response"), [("middle", 1), ("new", 0)])
def test_a_prompt_that_was_cut_has_lost_its_system_prompt_or_its_note_begins_later(
    start: Start, era: str, response: int
) -> None:
    server = start(era=era)
    note = "x" * 4 * CONTEXT + "\npneumonia"
    assert server.answer(note)["response"] == SCHEMA["properties"]["response"]["enum"][response]
    assert server.answer("pneumonia\n" + "x" * 6 * CONTEXT)["alive"] == (era != "new")


def test_slots_are_as_many_as_asked_for(start: Start) -> None:
    server = start({"fault": "hang", "match": "hangs"}, OLLAMA_NUM_PARALLEL="2")
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(server.chat, "hangs")
        while not journal(server):
            time.sleep(0.01)
        assert server.answer("x")  # in the second slot
        with pytest.raises(httpx.ReadTimeout):
            server.chat("hangs", timeout_s=0.5)
        assert server.answer("x")  # it is free again when its client has gone
        assert not hanging.done()
        server.process.kill()
        with pytest.raises(httpx.TransportError):
            hanging.result()


def test_a_full_server_makes_requests_wait(start: Start) -> None:
    server = start({"fault": "hang", "match": "hangs"})
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(server.chat, "hangs")
        while not journal(server):
            time.sleep(0.01)
        with pytest.raises(httpx.ReadTimeout):
            server.chat("x", timeout_s=0.5)
        assert not hanging.done()
        server.process.kill()
        with pytest.raises(httpx.TransportError):
            hanging.result()


def journal(server: Server) -> list[dict[str, Any]]:
    path = Path(server.environment["STANDIN_JOURNAL"])
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_journal_tells_texts_apart_without_holding_any(start: Start) -> None:
    server = start()
    for note in ["SECRET a", "SECRET b", "SECRET a"]:
        server.chat(note, options={"seed": 7}, truncate=False)
    server.post("/api/chat", model="tiny", messages=[])  # a preload asks nothing
    lines = journal(server)
    assert [line["messages"] == lines[0]["messages"] for line in lines] == [True, False, True]
    assert lines[1]["options"] == {"num_predict": 200, "temperature": 0, "seed": 7}
    assert (lines[1]["truncate"], lines[1]["shift"], lines[1]["running"]) == (False, None, 1)
    assert "SECRET" not in Path(server.environment["STANDIN_JOURNAL"]).read_text()


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


def test_the_model_is_on_the_gpu_that_the_server_was_given(start: Start) -> None:
    server = start(CUDA_VISIBLE_DEVICES="0")
    server.chat("x")
    [loaded] = server.get("/api/ps")["models"]
    assert loaded["size_vram"] == loaded["size"]
    assert "library=CUDA" in server.log.read_text()


def test_a_pull_puts_a_model_into_the_store(start: Start) -> None:
    server = start()
    reply = server.post("/api/pull", model="someone/other:7b")
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert lines[-1] == {"status": "success"}
    names = [model["name"] for model in server.get("/api/tags")["models"]]
    assert sorted(names) == ["someone/other:7b", "tiny:latest"]
    assert server.chat("x", model="someone/other:7b").status_code == 200


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


def test_models_with_other_weights_have_other_digests(tmp_path: Path) -> None:
    first = make_model(tmp_path, "a")
    assert make_model(tmp_path, "b") == first
    assert make_model(tmp_path, "b", weights="others") != first

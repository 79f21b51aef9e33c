"""Servers, gateways and bugs that say anything at all, over real HTTP through both clients."""

from __future__ import annotations

import asyncio
import gzip
import json
import traceback
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notemill.answers.verdict import Status, judge
from notemill.engines.ollama.client import OllamaClient
from notemill.engines.openai.client import OpenAiClient
from notemill.engines.protocol import (
    AnswerTimeout,
    EngineGone,
    PromptTooLong,
    Question,
    Reply,
    RequestFailed,
)
from notemill.errors import NotemillError
from notemill.tasks.task import Task
from tests.unit.conftest import ANSWER
from tests.unit.engines.http_server import (
    OPENAI,
    OPTIONS,
    SECRET,
    WHOLE,
    Server,
    changed,
    serving,
)

QUESTION = Question("You read notes.", f"Read:\n{SECRET}", {}, 100, 1, 0)


class Clients:
    """Both clients of a server, each asked in one event loop."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._runner = asyncio.Runner()
        self._clients = {
            "openai": OpenAiClient(f"{server.address}/v1", "", "m", OPTIONS),
            "ollama": OllamaClient(server.address, "m", OPTIONS, {}),
        }

    def close(self) -> None:
        for client in self._clients.values():
            self._runner.run(client.close())
        self._runner.close()

    def said(self, kind: str, body: bytes, status: int = 200, **headers: str) -> Reply:
        """What the client makes of it."""
        self.server.body, self.server.status = body, status
        self.server.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._runner.run(self._clients[kind].ask(QUESTION, 30))


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with serving(Server()) as server:
        clients = Clients(server)
        yield clients
        clients.close()


STRANGE = [
    b"",
    b" ",
    b"<!doctype html><html><body>Sign in</body></html>",
    b"OK",
    b"{",
    b'{"choices": [{"message": {"content": "{\\"resp',
    b"{}",
    b"[]",
    b"[{}]",
    b'"answer"',
    b"null",
    b"3",
    b"NaN",
    b"\xff\xfe\x00",
    b'{"error": "no"}',
    b'{"error": {"message": "no"}}',
    b"data: {}\n\ndata: [DONE]\n\n",
    ANSWER.encode(),
    b'{"a":' * 100_000,
]
STRANGE_PARTS = {
    "openai": [
        *(("choices", value) for value in (..., None, [], {}, "x", [None], [[]], ["x"], [3])),
        *(("choices.0.message", value) for value in (..., None, [], "x", 3)),
        *(("choices.0.message.content", value) for value in (3, [], {}, True, "\ud800")),
        ("choices.0.message.content", [{"type": "text", "text": ANSWER}]),
        *(("choices.0.finish_reason", value) for value in (3, [], {"a": 1})),
        *(("usage", value) for value in ([], "x", 3)),
        *(("usage.prompt_tokens", v) for v in (-1, 1e30, 10**30, 2**31, "20", 20.5, True, None)),
        ("usage.completion_tokens", -1),
    ],
    "ollama": [
        *(("message", value) for value in (..., None, [], "x", 3)),
        *(("message.content", value) for value in (None, 3, [], {}, True, "\ud800")),
        *(("done", value) for value in (..., None, "true", 1, [])),
        *(("done_reason", value) for value in (3, [], {})),
        *(("prompt_eval_count", v) for v in (-1, 1e30, 10**30, 2**31, "20", 20.5, True, None)),
        ("eval_count", -1),
    ],
}
CASES = [(kind, body) for kind in WHOLE for body in STRANGE] + [
    (kind, changed(kind, path, value)) for kind in WHOLE for path, value in STRANGE_PARTS[kind]
]


@pytest.mark.parametrize("kind", WHOLE)
def test_a_reply_as_it_must_be_is_read(clients: Clients, kind: str) -> None:
    reply = clients.said(kind, json.dumps(WHOLE[kind]).encode())
    assert (reply.text, reply.end, reply.prompt_tokens, reply.answer_tokens) == (
        ANSWER, "stop", 20, 10
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "body"), CASES)
def test_a_strange_reply_is_a_failed_request_with_a_plain_detail(
    clients: Clients, kind: str, body: bytes
) -> None:
    with pytest.raises(RequestFailed, match=r"^status 200 with ") as failed:
        clients.said(kind, body)
    assert len(str(failed.value)) < 120
    assert ANSWER not in str(failed.value)


@pytest.mark.parametrize("kind", WHOLE)
def test_what_can_not_be_decoded_is_a_failed_request(clients: Clients, kind: str) -> None:
    with pytest.raises(RequestFailed, match="decoded"):
        clients.said(kind, b"no gzip", Content_Encoding="gzip")
    whole = gzip.compress(json.dumps(WHOLE[kind]).encode())
    assert clients.said(kind, whole, Content_Encoding="gzip").text == ANSWER


@pytest.mark.parametrize("kind", WHOLE)
def test_a_reply_without_tokens_is_no_answer(clients: Clients, kind: str, task: Task) -> None:
    path = "usage" if kind == "openai" else "prompt_eval_count"
    reply = clients.said(kind, changed(kind, path, ...))
    verdict = judge(reply, task.answer_model, baseline=5, num_ctx=1000)
    assert verdict.status is Status.SERVER_ERROR


@pytest.mark.parametrize("kind", WHOLE)
def test_an_end_that_is_not_known_is_no_answer(clients: Clients, kind: str, task: Task) -> None:
    path = "choices.0.finish_reason" if kind == "openai" else "done_reason"
    for value in (None, "", "content_filter", "tool_calls", "load", ...):
        reply = clients.said(kind, changed(kind, path, value))
        assert judge(reply, task.answer_model, baseline=5, num_ctx=1000).answer is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "usage", "done", "error", "x"]), inner
        )
    ),
    max_leaves=6,
)
PATHS = {
    kind: sorted(
        {path for path, _ in STRANGE_PARTS[kind]} | {"model" if kind == "ollama" else "id"}
    )
    for kind in WHOLE
}


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_reply_ends_otherwise_or_makes_an_answer_up(
    clients: Clients, task: Task, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(sorted(WHOLE)))
    body = data.draw(
        st.binary(max_size=60)
        | JSON.map(lambda value: json.dumps(value).encode())
        | st.builds(
            lambda path, value: changed(kind, path, value), st.sampled_from(PATHS[kind]), JSON
        )
        | st.integers(0, 250).map(lambda size: json.dumps(WHOLE[kind]).encode()[:size])
    )
    status = data.draw(st.sampled_from([200, 200, 200, 201, 204, 302, 400, 404, 500, 502]))
    try:
        reply = clients.said(kind, body, status)
    except (RequestFailed, PromptTooLong, EngineGone, AnswerTimeout, NotemillError):
        return
    verdict = judge(reply, task.answer_model, baseline=5, num_ctx=1000)
    assert verdict.answer is None or verdict.answer == json.loads(ANSWER)


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422, 500, 502])
def test_a_servers_words_are_never_passed_on(clients: Clients, kind: str, status: int) -> None:
    quoting = f"Failed to parse input at pos 12: {ANSWER} {SECRET}"
    for body in (
        json.dumps({"error": quoting}),
        json.dumps({"error": {"message": quoting, "type": quoting, "code": quoting}}),
        json.dumps({"error": [quoting]}),
        json.dumps([quoting]),
        quoting,
    ):
        with pytest.raises((RequestFailed, NotemillError)) as failed:
            clients.said(kind, body.encode(), status)
        assert str(status) in str(failed.value)
        assert SECRET not in str(failed.value)
        assert "response" not in str(failed.value)


@pytest.mark.parametrize(
    "words", ["unexpected EOF", "llama runner process no longer running: -1 ", "out of memory"]
)
def test_what_ollama_is_known_to_say_is_told_by_the_known_phrase(
    clients: Clients, words: str
) -> None:
    body = json.dumps({"error": f"{words} {SECRET}"}).encode()
    with pytest.raises(RequestFailed) as failed:
        clients.said("ollama", body, 500)
    told = str(failed.value).removeprefix("status 500, ")
    assert told in words
    assert SECRET not in "".join(traceback.format_exception_only(failed.value))


def test_a_redirect_is_not_followed(clients: Clients) -> None:
    with serving(Server(json.dumps(OPENAI).encode())) as elsewhere:
        for kind in WHOLE:
            with pytest.raises(RequestFailed, match="status 307"):
                clients.said(kind, b"", 307, Location=f"{elsewhere.address}/v1/chat/completions")
        assert elsewhere.asked == []


def test_of_several_loaded_models_the_own_one_is_looked_at() -> None:
    """Of an Ollama that others ask too, whose model lies on the CPU."""
    other = {"name": "other:7b", "size": 100, "size_vram": 0, "context_length": 512}
    own = {"name": "m:latest", "size": 100, "size_vram": 100, "context_length": 4096}

    async def looked(address: str) -> tuple[float, int | None]:
        client = OllamaClient(address, "m", OPTIONS, {})
        try:
            loaded = await client.loaded()
        finally:
            await client.close()
        return loaded.share, loaded.context_length

    with serving(Server(models=json.dumps({"models": [other, own]}).encode())) as server:
        assert asyncio.run(looked(server.address)) == (1.0, 4096)

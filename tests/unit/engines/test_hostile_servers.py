"""Servers that never end, swell, repeat themselves or answer another: no label, bounded memory."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from notemill.engines.http import LARGEST_REPLY, Http
from notemill.engines.ollama.client import OllamaClient
from notemill.engines.openai.client import OpenAiClient
from notemill.engines.probes import PromptSize
from notemill.engines.protocol import (
    AnswerTimeout,
    End,
    EngineGone,
    Question,
    Reply,
    RequestFailed,
)
from tests.unit.engines.http_server import OPENAI, OPTIONS, WHOLE, Server, changed, serving
from tests.unit.engines.wire import listening

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
QUESTION = Question("You read notes.", "Read it.", {}, 100, 1, 0)
DEADLINE_S = 0.4
FIVE_MIB = b" " * (5 << 20)
MOST_MIB = 100
"""More memory than a reply takes at its largest, and its JSON."""


async def without_end(head: bytes, piece: bytes, pause_s: float = 0) -> AsyncIterator[bytes]:
    yield head
    while True:
        yield piece
        await asyncio.sleep(pause_s)


async def once(said: bytes) -> AsyncIterator[bytes]:
    yield said


def gzipped(size: int) -> bytes:
    """A reply whose body is so many MiB, in a thousandth of it."""
    press = zlib.compressobj(1, zlib.DEFLATED, 31)
    body = b"".join(press.compress(bytes(1 << 20)) for _ in range(size)) + press.flush()
    return HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body


NEVER_AN_ANSWER: list[tuple[str, type[Exception], Callable[[], AsyncIterator[bytes]]]] = [
    ("chunks", RequestFailed, lambda: without_end(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n")),
    ("a body without a length", RequestFailed, lambda: without_end(HEAD + b"\r\n", b" " * 65536)),
    ("a gzip bomb", RequestFailed, lambda: once(gzipped(200))),
    ("headers", EngineGone, lambda: without_end(HEAD, b"X-A: " + b"b" * 1000 + b"\r\n")),
    ("a header's line", EngineGone, lambda: without_end(HEAD + b"X-A: ", b"b" * 1000)),
    ("trailers", EngineGone, lambda: without_end(CHUNKED + b"0\r\n", b"X: " + b"x" * 60_000)),
    (
        "a drip",
        AnswerTimeout,
        lambda: without_end(HEAD + b"Content-Length: 1000\r\n\r\n", b" ", 0.01),
    ),
    (
        "a drip of chunks",
        AnswerTimeout,
        lambda: without_end(CHUNKED, b"1\r\n \r\n", 0.01),
    ),
    ("interim replies", AnswerTimeout, lambda: without_end(b"", b"HTTP/1.1 100 Go on\r\n\r\n")),
    ("a header's drip", AnswerTimeout, lambda: without_end(HEAD + b"X-A: ", b"b", 0.05)),
    (
        "a length too long",
        EngineGone,
        lambda: once(HEAD + b"Content-Length: 9999\r\n\r\n" + json.dumps(OPENAI).encode()),
    ),
    (
        "a length too short",
        EngineGone,
        lambda: once(HEAD + b"Content-Length: 99\r\n\r\n" + json.dumps(OPENAI).encode()),
    ),
    (
        "two lengths",
        EngineGone,
        lambda: once(HEAD + b"Content-Length: 9\r\nContent-Length: 20\r\n\r\n{}"),
    ),
    ("no length that there is", EngineGone, lambda: once(HEAD + b"Content-Length: -1\r\n\r\n{}")),
    ("a chunk beyond all", EngineGone, lambda: once(CHUNKED + b"F" * 30 + b"\r\n{}")),
    ("another protocol", RequestFailed, lambda: once(b"HTTP/1.1 101 So\r\nUpgrade: x\r\n\r\n{}")),
    (
        "a number of five million digits",
        RequestFailed,
        lambda: once(HEAD + b'\r\n{"choices": ' + b"9" * (5 << 20) + b"}"),
    ),
    (
        "a count of five million digits",
        RequestFailed,
        lambda: once(HEAD + b'\r\n{"usage":{"prompt_tokens":' + b"9" * (5 << 20) + b"}}"),
    ),
    (
        "thirty thousand choices",
        RequestFailed,
        lambda: once(HEAD + b'\r\n{"choices":[' + b'{"message":{}},' * 30_000 + b"{}]}"),
    ),
    (
        "a refusal, nested",
        RequestFailed,
        lambda: once(b"HTTP/1.1 500 No\r\n\r\n" + b'{"error":' * 100_000),
    ),
    (
        "a refusal with a number",
        RequestFailed,
        lambda: once(b'HTTP/1.1 500 No\r\n\r\n{"error":' + b"9" * (1 << 20) + b"}"),
    ),
    ("white space", RequestFailed, lambda: once(HEAD + b"\r\n" + FIVE_MIB)),
]


@pytest.mark.parametrize(
    ("ends_as", "said"),
    [each[1:] for each in NEVER_AN_ANSWER],
    ids=[each[0] for each in NEVER_AN_ANSWER],
)
def test_it_ends_without_an_answer_within_the_deadline_and_little_memory(
    ends_as: type[Exception], said: Callable[[], AsyncIterator[bytes]]
) -> None:
    pieces = said()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        async for piece in pieces:
            writer.write(piece)
            await writer.drain()

    deadline_s = DEADLINE_S if ends_as is AnswerTimeout else 60
    before = peak_mib(anew=True)
    with pytest.raises(ends_as) as ended:
        asyncio.run(asked(handler, deadline_s))
    assert peak_mib() - before < MOST_MIB
    assert len(str(ended.value)) < 120


async def asked(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    deadline_s: float,
) -> Reply:
    """What a client is told by the server, which ends with it."""
    async with listening(handler) as port:
        client = OpenAiClient(f"http://127.0.0.1:{port}", "", "m", OPTIONS)
        try:
            return await client.ask(QUESTION, deadline_s)
        finally:
            await client.close()


def peak_mib(*, anew: bool = False) -> int:
    """The most memory that this process had; anew: since now."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    told = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert told
    return int(told[1]) >> 10


@pytest.mark.parametrize("pause_s", [0, 0.05], ids=["at once", "when it is idle"])
def test_what_a_server_says_twice_answers_no_other_note(pause_s: float) -> None:
    """On a connection that is kept, the second would be the next note's answer, and so on."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            told = re.search(rb"Content-Length: (\d+)", head)
            body = await reader.readexactly(int(told[1]) if told else 0)
            said = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
            for _ in range(2):
                writer.write(said)
                await writer.drain()
                await asyncio.sleep(0.001)

    async def main() -> list[bytes]:
        async with listening(handler) as port:
            client = Http(f"http://127.0.0.1:{port}")
            try:
                heard = []
                for note in notes:
                    heard.append((await client.post("/chat", note)).body)
                    await asyncio.sleep(pause_s)
                return heard
            finally:
                await client.close()

    notes = [b"note %d" % number for number in range(6)]
    assert asyncio.run(main()) == notes


def test_what_comes_for_a_request_that_was_given_up_answers_no_other_note() -> None:
    """The late reply comes while the next is asked, on whatever connection."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            told = re.search(rb"Content-Length: (\d+)", head)
            body = await reader.readexactly(int(told[1]) if told else 0)
            await asyncio.sleep(0.2 if body == b"slow" else 0.3)
            writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()

    async def main() -> bytes:
        async with listening(handler) as port:
            client = Http(f"http://127.0.0.1:{port}")
            try:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await client.post("/chat", b"slow")
                return (await client.post("/chat", b"next")).body
            finally:
                await client.close()

    assert asyncio.run(main()) == b"next"


TOKENS = {"ollama": "prompt_eval_count", "openai": "usage.prompt_tokens"}
SIZE = PromptSize(empty=50, least=51, characters=10)


@pytest.mark.parametrize(
    ("note", "tokens", "characters", "problem"),
    [
        ("Clear lungs.", 53, 30, ""),
        ("Clear lungs.", 51, 30, ""),
        ("7 mm", 50 + 64 + 10 + 4, 30, ""),  # a token for each byte, and what a template adds
        ("ﷺ" * 100, 50 + 1800, 30, ""),  # eighteen letters each, where a vocabulary says so
        ("Clear lungs.", 900, 30, "read another"),
        ("x" * 300, 50, 30, "not read whole"),
        ("Clear lungs.", 53, 25_600, ""),
        ("Clear lungs.", 53, 25_601, "more than 100 tokens can be"),
    ],
)
def test_a_reply_that_its_prompt_can_not_have_is_a_failed_request(
    note: str, tokens: int, characters: int, problem: str
) -> None:
    """All that is seen of a server that answers for another note: docs/engines.md."""
    question = Question("", "Read this:" + note, {}, 100, 1, 0)
    reply = Reply("x" * characters, End.STOP, tokens, 10)
    if not problem:
        return SIZE.check(question, reply)
    with pytest.raises(RequestFailed, match=problem):
        SIZE.check(question, reply)
    return None


@pytest.mark.parametrize("kind", WHOLE)
def test_a_client_of_each_kind_holds_each_reply_to_what_its_prompt_can_have(kind: str) -> None:
    """A reply to some other, longer note, well-formed as it is."""
    with serving(Server(changed(kind, TOKENS[kind], 900))) as server:

        async def main() -> Reply:
            client: OllamaClient | OpenAiClient
            if kind == "ollama":
                client = OllamaClient(server.address, "m", OPTIONS, {})
            else:
                client = OpenAiClient(f"{server.address}/v1", "", "m", OPTIONS)
            client.prompts = {"cough": SIZE}
            try:
                return await client.ask(replace(QUESTION, task="cough"), 30)
            finally:
                await client.close()

        with pytest.raises(RequestFailed, match="read another"):
            asyncio.run(main())


def test_the_largest_reply_holds_any_answer() -> None:
    assert LARGEST_REPLY > 100_000 * 6 * 8  # tokens of as many letters, each escaped

"""engines.neighbours: a port that our server has left, and another user of the computer took."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from notemill.engines import neighbours
from notemill.engines.http import Http
from notemill.engines.neighbours import refuse_strangers
from notemill.engines.ollama.client import OllamaClient
from notemill.engines.openai.client import OpenAiClient
from notemill.engines.protocol import EngineGone, Question
from tests.neighbour import NOBODY, needs_root, taking
from tests.unit.conftest import ANSWER
from tests.unit.engines.http_server import OPENAI, OPTIONS, SECRET

FORGED = json.dumps(
    OPENAI
    | {"message": {"content": ANSWER}, "done": True, "done_reason": "stop"}
    | {"prompt_eval_count": 50, "eval_count": 10}
)
"""An answer in the words of both interfaces."""
QUESTION = Question("You read notes.", f"Read:\n{SECRET}", {}, 100, 1, 0)


def port_of_nobody() -> int:
    with socket.create_server(("127.0.0.1", 0)) as place:
        return int(place.getsockname()[1])


async def asked(client: OllamaClient | OpenAiClient) -> str:
    try:
        return (await client.ask(QUESTION, 30)).text
    finally:
        await client.close()


@needs_root
@pytest.mark.parametrize("kind", ["ollama", "openai"])
def test_a_neighbour_who_takes_a_dead_engines_port_gets_no_note_and_answers_none(kind: str) -> None:
    port = port_of_nobody()
    client: OllamaClient | OpenAiClient
    if kind == "ollama":
        client = OllamaClient(f"http://127.0.0.1:{port}", "m", OPTIONS, {})
    else:
        client = OpenAiClient(f"http://127.0.0.1:{port}/v1", "key", "m", OPTIONS)
    with taking(port, FORGED) as lines:
        assert lines.readline() == "taken\n"
        with pytest.raises(EngineGone, match="another user of this node"):
            asyncio.run(asked(client))
        stranger = Http(f"http://127.0.0.1:{port}")  # that it was a neighbour who would answer
        assert asyncio.run(posted(stranger)) == FORGED.encode()
        assert SECRET not in lines.readline()


async def posted(http: Http) -> bytes:
    try:
        return (await http.post("/", b"by an address that is anyone's")).body
    finally:
        await http.close()


@needs_root
def test_a_server_that_publishes_itself_on_loopback_is_asked_only_while_it_is_ours() -> None:
    port = port_of_nobody()
    http = Http(f"http://127.0.0.1:{port}", "token", elsewhere=True, ours=True)
    with taking(port) as lines:
        assert lines.readline() == "taken\n"
        with pytest.raises(EngineGone, match="another user"):
            asyncio.run(posted(http))


@pytest.mark.parametrize("user", [0, NOBODY])
def test_an_own_server_and_roots_are_trusted(user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever listens; the kernel's tables are read as another user would."""
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        refuse_strangers(f"http://127.0.0.1:{port}/v1")
        refuse_strangers(f"http://localhost:{port}")
        monkeypatch.setattr(neighbours.os, "geteuid", lambda: user)
        refuse_strangers(f"http://127.0.0.1:{port}")
    with pytest.raises(EngineGone, match="nothing listens"):
        refuse_strangers(f"http://127.0.0.1:{port}")
    refuse_strangers("https://elsewhere.example:443")


@needs_root
@pytest.mark.parametrize("at", ["0.0.0.0", "::", "::1"])
def test_a_server_at_any_of_a_nodes_addresses_is_found(at: str) -> None:
    family = socket.AF_INET6 if ":" in at else socket.AF_INET
    both = at == "::"
    with socket.create_server((at, 0), family=family, dualstack_ipv6=both) as ours:
        host = "[::1]" if at == "::1" else "127.0.0.1"
        refuse_strangers(f"http://{host}:{ours.getsockname()[1]}")


@needs_root
def test_a_neighbour_at_another_address_of_the_same_port_keeps_no_one_from_our_server() -> None:
    program = (
        "import os, socket, sys\n"
        f"os.setresuid({NOBODY}, {NOBODY}, {NOBODY})\n"
        "place = socket.socket(socket.AF_INET6)\n"
        "place.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)\n"
        "place.bind(('::', int(sys.argv[1])))\n"
        "place.listen()\n"
        "print('taken', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        command = [sys.executable, "-I", "-S", "-c", program, str(port)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout
            assert other.stdout.readline() == "taken\n"
            refuse_strangers(f"http://127.0.0.1:{port}")
            other.kill()


def test_the_kernel_lists_those_that_listen_first() -> None:
    """What the look relies on, with connections that are as many as they may be."""
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        kept = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
        with socket.create_server(("127.0.0.1", 0)) as later:
            refuse_strangers(f"http://127.0.0.1:{later.getsockname()[1]}")
        states = [line.split()[3] for line in Path("/proc/self/net/tcp").read_text().splitlines()]
        listens = [state == "0A" for state in states[1:]]
        assert listens == sorted(listens, reverse=True)
        for each in kept:
            each.close()

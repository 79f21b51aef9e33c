"""`notemill serve` with the shipped model: found, asked, drained, killed, restarted, given up."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from notemill.endpoints.publication import Published, publish, renewed
from notemill.engines.http import Http
from notemill.engines.protocol import EngineDraining, EngineGone
from tests import oracle
from tests.unit.endpoints.served import Serving, notemill, serving, write_project

ASK = "/v1/chat/completions"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = write_project(tmp_path_factory.mktemp("served"))
    with serving(folder, "--host", "localhost", "--hours", "1") as running:
        running.published()
        yield running


def body(note: str, tokens: int = 60) -> bytes:
    message = {"role": "user", "content": f"Note:\n{note}"}
    asked = {"model": "notemill-tiny", "messages": [message], "max_tokens": tokens, "seed": 1}
    return json.dumps(asked).encode()


def client(one: Published, token: str | None = None) -> Http:
    return Http(
        one.endpoint.address, one.token if token is None else token, one.endpoint.certificate
    )


def test_a_server_says_what_it_is_where_clients_look(server: Serving) -> None:
    one = server.published()
    told = one.endpoint
    assert (told.kind, told.model, told.slots, told.context) == (
        "llamacpp",
        "notemill-tiny",
        2,
        1024,
    )
    assert told.engine.startswith("llama.cpp") and len(told.digest) == 64
    assert told.job == f"process {server.process.pid}" and told.gpus == ()
    words = [one.token, psutil.Process(server.process.pid).cmdline(), server.engine().cmdline()]
    assert not any(one.token in str(each) for each in words[1:])
    logs = list((server.folder / "results" / "logs").rglob("*.log"))
    assert logs and not any(one.token in path.read_text() for path in logs)


def test_servers_lists_it_and_proves_it_from_here(server: Serving) -> None:
    listed = notemill(server.folder, "servers")
    assert listed.returncode == 0, listed.stderr
    assert f"process {server.process.pid}" in listed.stdout and "0/2" in listed.stdout
    told = notemill(server.folder, "servers", "--json").stdout
    (one,) = json.loads(told)["engine"]
    assert one["standing"]["state"] == "ready" and server.published().token not in told
    proven = notemill(server.folder, "servers", "--test")
    assert proven.returncode == 0, proven.stdout + proven.stderr
    assert "1 proven, 0 not" in proven.stdout


def test_a_wrong_token_is_named_and_asks_nothing(server: Serving, tmp_path: Path) -> None:
    one = server.published()
    folder = write_project(tmp_path)
    publish(folder / "endpoints", one.name, renewed(one.endpoint), "another-token-than-its-own")
    listed = notemill(folder, "servers").stdout
    assert "what answers there is no notemill server, or has another token" in listed
    proven = notemill(folder, "servers", "--test")
    assert proven.returncode == 1 and "refuses the key" in proven.stdout
    (folder / "endpoints" / f"{one.name}.token").chmod(0o644)
    proven = notemill(folder, "servers", "--test")
    assert proven.returncode == 1 and "its token is open to others" in proven.stdout


def test_a_server_is_measured_by_requests_in_flight(server: Serving, tmp_path: Path) -> None:
    done = notemill(
        server.folder,
        *("bench-server", "pneumonia", "--in-flight", "2,1", "--seconds", "2"),
        *("--characters", "200", "--out", str(tmp_path / "bench")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    asked = pq.read_table(tmp_path / "bench" / "notes.parquet")
    assert set(asked["in_flight"].to_pylist()) == {1, 2}
    assert b"notemill-tiny" in asked.schema.metadata[b"notemill.model"]
    head, *levels = (tmp_path / "bench" / "levels.csv").read_text().splitlines()
    assert [each.split(",")[0] for each in levels] == ["1", "2"]
    for level in levels:
        row = dict(zip(head.split(","), level.split(","), strict=True))
        assert asked["in_flight"].to_pylist().count(int(row["in flight"])) == int(row["asked"]) > 0
        assert float(row["notes/s"]) > 0 and float(row["p50 s"]) <= float(row["p99 s"])
    assert (tmp_path / "bench" / "bench.svg").read_text().count("<polyline") == 3
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "bench").iterdir()} == {0o600}


def test_a_server_that_drains_in_the_middle_of_notes_ends_each_that_it_took(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    notes = [note.text for note in oracle.NOTES]

    async def ask_until_refused(one: Published) -> tuple[int, int]:
        """Whole replies, and requests cut off in the middle."""
        http, replies, cut, going = client(one), 0, 0, True

        async def worker(number: int) -> None:
            nonlocal replies, cut, going
            while going:
                try:
                    response = await http.post(ASK, body(notes[number]))
                except EngineDraining:
                    going = False
                except EngineGone:  # it ended meanwhile, and nobody listens: else it was cut
                    cut += server.process.poll() is None and going
                    going = False
                else:
                    assert response.ok and json.loads(response.body)["usage"]["completion_tokens"]
                    replies += 1
                    if replies == 3:
                        server.process.send_signal(signal.SIGUSR1)

        await asyncio.gather(*map(worker, range(4)))
        # Who has an answer looks at the model within a second, or could not be sure of it.
        await asyncio.sleep(1)
        assert (await http.get("/v1/models")).ok
        await http.close()
        return replies, cut

    with serving(folder, "--host", "127.0.0.1") as server:
        one = server.published()
        engine = server.engine()
        replies, cut = asyncio.run(ask_until_refused(one))
        said, _ = server.process.communicate(timeout=60)
    assert server.process.returncode == 0 and cut == 0, said
    assert replies > 3 and f"{replies} answered" in said and "draining (SIGUSR1)" in said
    assert list(server.endpoints.iterdir()) == [] and not engine.is_running()


def test_a_lost_engine_is_started_again_and_none_outlives_a_killed_server(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    with serving(folder) as server:
        first = server.published()
        assert first.endpoint.scheme == "https" and len(first.endpoint.certificate) == 64
        server.engine().kill()
        again = server.published(besides=first)
        assert (again.name, again.token) == (first.name, first.token)
        proven = notemill(folder, "servers", "--test")
        assert proven.returncode == 0, proven.stdout
        engine = server.engine()
        server.end(signal.SIGKILL)
        psutil.wait_procs([engine], timeout=60)
        assert not engine.is_running()
        listed = notemill(folder, "servers").stdout
        assert f"passed over: {first.name}" in listed and "does not reach it" in listed
        proven = notemill(folder, "servers", "--test")
        assert proven.returncode == 1 and "it does not answer" in proven.stdout


def test_an_engine_that_is_lost_too_often_ends_the_server_with_one_message(tmp_path: Path) -> None:
    folder = write_project(tmp_path, restarts=0)
    with serving(folder, "--host", "127.0.0.1") as server:
        server.published()
        server.engine().kill()
        said, _ = server.process.communicate(timeout=60)
        assert server.process.returncode == 1
        assert "lost 1 times without an answer between" in said and said.count("what to do") == 1
        assert list(server.endpoints.iterdir()) == []


def test_a_name_that_leads_nowhere_is_refused_before_anyone_is_sent_there(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    with serving(folder, "--host", "no-such-node.invalid") as server:
        said, _ = server.process.communicate(timeout=500)
    assert server.process.returncode == 1 and "give --host the name" in said
    assert list(server.endpoints.iterdir()) == []

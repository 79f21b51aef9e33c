"""Ways to put texts to model servers, as people do and as fast as it goes; each returns answers.

All send the same question to the same OpenAI chat interface. None of them proves anything.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from notemill.config import Options
from notemill.tasks.task import Task

PATH = "/v1/chat/completions"
MODEL = "model:latest"
"""With a tag, without which Ollama does not list it."""
Insert = Callable[[int, str], None]
"""A row of a note's number and its answer, written and committed."""


def bodies(task: Task, options: Options, model: str, texts: Sequence[str]) -> list[bytes]:
    """A request for each text, as notemill asks it."""
    schema = {"name": "answer", "strict": True, "schema": task.json_schema}
    rest = {
        "model": model,
        "response_format": {"type": "json_schema", "json_schema": schema},
        "max_tokens": options.num_predict,
        "seed": options.seed,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "min_p": options.min_p,
        "repeat_penalty": options.repeat_penalty,
    }

    def messages(text: str) -> list[dict[str, str]]:
        return [
            {"role": "system", "content": task.system_prompt},
            {"role": "user", "content": task.user_message(text)},
        ]

    return [json.dumps({**rest, "messages": messages(text)}).encode() for text in texts]


def one_at_a_time(ports: Sequence[int], requests: Sequence[bytes], insert: Insert) -> list[str]:
    """One request at a time to the first server, and a row inserted after each."""
    answers = []
    for number, body in enumerate(requests):
        connection = http.client.HTTPConnection("127.0.0.1", ports[0])  # as requests.post does
        answers.append(_asked(connection, body))
        connection.close()
        insert(number, answers[-1])
    return answers


def one_a_server(ports: Sequence[int], requests: Sequence[bytes]) -> list[str]:
    """A thread a server, each with one request in flight, from one queue."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(requests)):
        waiting.put(number)
    answers = [""] * len(requests)

    def work(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return connection.close()
            answers[number] = _asked(connection, requests[number])

    threads = [threading.Thread(target=work, args=(port,)) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def thread_pool(ports: Sequence[int], requests: Sequence[bytes], slots: int) -> list[str]:
    """A pool of as many threads as there are slots, each with its own connection to one server."""
    own = threading.local()
    numbers = count()

    def ask(body: bytes) -> str:
        if not hasattr(own, "connection"):
            port = ports[next(numbers) % len(ports)]
            own.connection = http.client.HTTPConnection("127.0.0.1", port)
        return _asked(own.connection, body)

    with ThreadPoolExecutor(slots * len(ports)) as pool:
        return list(pool.map(ask, requests))


def closed_loop(ports: Sequence[int], requests: Sequence[bytes], slots: int) -> list[str]:
    """As many requests in flight as there are slots, over bare sockets; nothing is looked at."""
    return asyncio.run(_closed_loop(ports, requests, slots))


async def _closed_loop(ports: Sequence[int], requests: Sequence[bytes], slots: int) -> list[str]:
    waiting = iter(enumerate(requests))
    answers = [""] * len(requests)

    async def work(port: int) -> None:
        streams = None
        for number, body in waiting:
            streams = streams or await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
            reader, writer = streams
            writer.write(
                b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % (PATH.encode(), len(body)) + body
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, _, after = head.partition(b"content-length:")
            content = await reader.readexactly(int(after.split(b"\r\n", 1)[0]))
            answers[number] = json.loads(content)["choices"][0]["message"]["content"]
            if b"connection: close" in head:  # llama.cpp's, every hundred requests
                writer.close()
                streams = None

    await asyncio.gather(*(work(port) for _ in range(slots) for port in ports))
    return answers


def _asked(connection: http.client.HTTPConnection, body: bytes) -> str:
    connection.request("POST", PATH, body, {"Content-Type": "application/json"})
    reply = json.loads(connection.getresponse().read())
    return str(reply["choices"][0]["message"]["content"])

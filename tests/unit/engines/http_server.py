"""An HTTP server that says what a test tells it, and replies as they must be."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from notemill.config import Options
from tests.unit.conftest import ANSWER

SECRET = "Sputum with blood since Tuesday"
OPTIONS = Options(num_ctx=1000, num_predict=100)
MODELS = json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}).encode()
OPENAI = {
    "id": "1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER},
                 "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30},
    "system_fingerprint": "b1",
}  # fmt: skip
OLLAMA = {
    "model": "m",
    "message": {"role": "assistant", "content": ANSWER},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 20,
    "eval_count": 10,
}
WHOLE = {"openai": OPENAI, "ollama": OLLAMA}


@dataclass
class Server:
    """Says `body` to every POST, and `models` to every GET. `asked`: bodies that it was sent."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    models: bytes = MODELS
    asked: list[bytes] = field(default_factory=list)
    hang: threading.Event | None = None
    address: str = ""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.say(200, server.models, {})

        def do_POST(self) -> None:
            server.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.say(server.status, server.body, server.headers)

        def say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            if server.hang:
                server.hang.wait()
            self.send_response(status)
            headers = {"Content-Type": "application/json"} | headers
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            pass  # a client that did not wait any longer

    with Quiet(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        server.address = f"http://127.0.0.1:{http.server_address[1]}"
        try:
            yield server
        finally:
            if server.hang:
                server.hang.set()
            http.shutdown()
            thread.join()


def changed(kind: str, path: str, value: Any) -> bytes:
    """A good reply with one thing in it that is not; `...` takes it out."""
    whole = json.loads(json.dumps(WHOLE[kind]))
    place = whole
    *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parts:
        place = place[part]
    place[last] = value
    if value is ...:
        del place[last]
    return json.dumps(whole).encode()

"""The HTTP side: routes, headers, streams."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, NoReturn

from .application import Application
from .chat import Refused, whole
from .faults import Faults
from .log import log
from .runner import ClientGone, Scheduler
from .settings import Settings, StartError

_LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]"}


def serve(settings: Settings, faults: Faults) -> NoReturn:
    """Listen until told to end. Raises StartError, or OSError where HOME can't be written."""
    _write_key(settings)
    slots = settings.slots
    if faults.of_server("single_slot"):
        slots = 1
        log(
            "WARN",
            "sched.go:450",
            "model architecture does not currently support parallel requests",
        )
    application = Application(settings, faults, Scheduler(slots))
    try:
        server = Server((settings.host, settings.port), application)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StartError(f"listen tcp {settings.host}:{settings.port}: bind: {reason}") from error

    def end(*_: object) -> None:
        # One signal ends it: a second one would wait for what the first one holds.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        application.scheduler.unload()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    host, port = server.server_address[:2]
    line = f"Listening on {host!s}:{port} (version {settings.version})"
    log("INFO", "routes.go:1234", line)
    library = "CUDA" if settings.gpu else "cpu"
    log("INFO", "types.go:60", "inference compute", id=library.lower(), library=library)
    server.serve_forever()
    sys.exit(0)


class Server(ThreadingHTTPServer):
    """One thread a connection."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], application: Application) -> None:
        self.application = application
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        # Without the base class's look-up of the host's name, which may take seconds.
        TCPServer.server_bind(self)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        application = self.server.application
        routes = {
            "/api/version": application.version,
            "/api/tags": application.tags,
            "/api/ps": application.running,
        }
        if not self._is_local():
            self._send(403, b"", "text/plain")
        elif self.path == "/":
            self._send(200, b"Ollama is running", "text/plain; charset=utf-8")
        elif self.path in routes:
            self._send_json(200, routes[self.path]())
        else:
            self._send(404, b"404 page not found", "text/plain")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        application = self.server.application
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._is_local():
            self._send(403, b"", "text/plain")
            return
        try:
            if self.path == "/api/chat":
                self._chat(_parsed(raw))
            elif self.path == "/api/pull":
                self._pull(_parsed(raw))
            elif self.path == "/api/show":
                self._send_json(200, application.show(_parsed(raw)))
            elif self.path == "/api/generate":
                self._send_json(200, application.generate(_parsed(raw)))
            else:
                self._send(404, b"404 page not found", "text/plain")
        except Refused as error:
            self._send_json(error.status, {"error": error.message})
        except (ClientGone, ConnectionError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged for a request."""

    def _chat(self, body: dict[str, Any]) -> None:
        ledger = self.server.application.ledger
        request = ledger.asked(body)
        # The whole answer is made before its first part is sent: what refuses it is a status.
        messages = list(self.server.application.chat.replies(body, self._client_gone))
        ledger.write("sending", request)
        if body.get("stream") is False or not body.get("messages"):
            self._send_json(200, whole(messages))
        else:
            self._send_lines(messages)
        ledger.write("sent", request)

    def _pull(self, body: dict[str, Any]) -> None:
        lines = list(self.server.application.pull(body))
        if body.get("stream") is False:
            self._send_json(500 if "error" in lines[-1] else 200, lines[-1])
        else:
            self._send_lines(lines)

    def _is_local(self) -> bool:
        host = self.headers.get("Host") or "localhost"
        return host.rstrip("0123456789").rstrip(":") in _LOCAL_HOSTS or host in _LOCAL_HOSTS

    def _client_gone(self) -> bool:
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _send_json(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content, ensure_ascii=False).encode()
        self._send(status, data, "application/json; charset=utf-8")

    def _send(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _send_lines(self, lines: Iterable[dict[str, Any]]) -> None:
        """NDJSON, each line a chunk."""
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")


def _parsed(raw: bytes) -> dict[str, Any]:
    if not raw:
        raise Refused(400, "missing request body")
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refused(400, "invalid character in the request's body") from None
    if not isinstance(body, dict):
        raise Refused(400, "json: cannot unmarshal the request's body")
    return body


def _write_key(settings: Settings) -> None:
    """`ollama serve` writes a key into HOME before it listens."""
    folder = settings.home / ".ollama"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    key = folder / "id_ed25519"
    if not key.exists():
        key.write_text("the stand-in's key\n")
        key.chmod(0o600)
    for name in ("blobs", "manifests"):
        (settings.models / name).mkdir(parents=True, exist_ok=True)

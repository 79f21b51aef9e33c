"""An HTTP server in threads of its own, that answers scrapes and nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from notemill.config import MetricsSection
from notemill.errors import NotemillError
from notemill.metrics.page import Page, may_scrape

_PATIENCE_S = 10.0
_MOST_AT_ONCE = 16
_NEXT_REQUEST_S = 0.2

Paths = Callable[[str, str], Page | None]
"""The page at a path, for a header `Accept`; None where there is none. Raises OSError when it can't
be had now."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE_S  # for a scraper that says nothing
    server: _Server

    def do_GET(self) -> None:
        if not may_scrape(self.headers.get("Authorization", ""), self.server.token):
            self._answer(401, Page(b"the metrics' token is needed\n", "text/plain"))
            return
        try:
            page = self.server.paths(self.path.partition("?")[0], self.headers.get("Accept", ""))
        except OSError:
            self._answer(502, Page(b"the engine does not tell now\n", "text/plain"))
            return
        self._answer(200 if page else 404, page or Page(b"/metrics\n", "text/plain"))

    def _answer(self, status: int, page: Page) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", page.kind)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a scraper that hangs keeps no job
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], paths: Paths, token: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.paths, self.token = paths, token
        self._turns = threading.Semaphore(_MOST_AT_ONCE)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks the name service for this host's name.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._turns.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._turns.release()

    def handle_error(self, *_: Any) -> None:
        pass  # a scraper that has gone


@contextmanager
def serving(section: MetricsSection, paths: Paths, token: str) -> Iterator[int]:
    """Serve in the background; yields the port. Raises NotemillError when no port can be had."""
    server = _bound(section, paths, token)
    thread = threading.Thread(
        target=server.serve_forever, args=(_NEXT_REQUEST_S,), name="notemill-metrics", daemon=True
    )
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _bound(section: MetricsSection, paths: Paths, token: str) -> _Server:
    first, last = section.ports or (0, 0)
    problem = ""
    for port in range(first, last + 1):
        try:
            return _Server((section.address, port), paths, token)
        except OSError as error:
            problem = error.strerror or type(error).__name__
    asked = f"ports {first} to {last}" if section.ports else "any port"
    raise NotemillError(
        f"can't listen on {section.address}, {asked}: {problem}",
        where="metrics.address and metrics.ports",
        remedy="take another address or a wider range of ports; or leave `ports` out",
    )

"""A network that fails at a moment of one's choice: a proxy before a real server."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Switch:
    """Hands everything on until it is told otherwise. port: where it listens, whether it is on.

    connections: how many it has taken.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._armed_by = self._at = b""
        self._answered = False
        self._dead = False
        self.connections = 0
        self.port = 0

    def __enter__(self) -> Self:
        self.on()
        return self

    def __exit__(self, *_: object) -> None:
        self.off()

    def on(self, *, dead: bool = False) -> None:
        """Take connections; dead: and end each at once, as a balancer does with no server."""
        self.off()
        self._dead = dead
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def off(self) -> None:
        """Refuse connections, and cut those that are."""
        if self._listener:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """End all connections."""
        ends, self._open = self._open, []  # not those of a client that is back at once
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut_at(self, at: bytes, *, after: bytes = b"", answered: bool = False) -> None:
        """Cut where the client sends `at` in any case, the first time since it has sent `after`.

        The server gets nothing of it; answered: it gets it all and answers, to nobody.
        """
        self._armed_by, self._at, self._answered = after.upper(), at.upper(), answered

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                if self._dead:
                    client.close()
                    continue
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self._to))
                self._open += [client, server]
                state = _Session(client, server)
                for work in (self._listen, self._answer):
                    threading.Thread(target=work, args=(state,), daemon=True).start()

    def _listen(self, session: _Session) -> None:
        with suppress(OSError):
            while data := session.client.recv(65536):
                if self._at and not self._armed_by and self._at in data.upper():
                    self._at = b""
                    if self._answered:
                        session.silent = True
                        session.server.sendall(data)
                    else:
                        self.cut()
                    return
                if self._armed_by and self._armed_by in data.upper():
                    self._armed_by = b""
                session.server.sendall(data)
        session.end()

    def _answer(self, session: _Session) -> None:
        with suppress(OSError):
            while (data := session.server.recv(65536)) and not session.silent:
                session.client.sendall(data)
        session.end()


class _Session:
    """A client and its server. silent: what the server says next is for nobody."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server, self.silent = client, server, False

    def end(self) -> None:
        for side in (self.client, self.server):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)  # or the session, and what it locks, would stay

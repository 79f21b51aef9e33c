"""Another user of this computer, who takes a port as soon as its owner has left it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

NOBODY = 65534
"""Neither this user nor root."""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

_TAKES = """
import os, socket, sys, time
port, said, user = int(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3])
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
while True:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("127.0.0.1", port))
        server.listen()
        break
    except OSError:
        server.close()
        time.sleep(0.001)
print("taken", flush=True)
while True:
    client, _ = server.accept()
    client.settimeout(2)
    try:
        got = client.recv(65536)
        if got:
            print("got", got, flush=True)
            client.sendall(b"HTTP/1.1 200 OK\\r\\n")
            client.sendall(b"Content-Length: %d\\r\\n\\r\\n%b" % (len(said), said))
    except OSError:
        pass
    client.close()
"""


@contextmanager
def taking(port: int, said: str = "{}", user: int = NOBODY) -> Iterator[IO[str]]:
    """A process of the user that waits for the port, takes it, and says one thing to whoever comes.

    Yields its lines: `taken`, and `got` with what it was sent.
    """
    command = [sys.executable, "-I", "-S", "-c", _TAKES, str(port), said, str(user)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as neighbour:
        assert neighbour.stdout
        try:
            yield neighbour.stdout
        finally:
            neighbour.kill()

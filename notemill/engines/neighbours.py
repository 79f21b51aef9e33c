"""Whether it is still our own server that listens on a port of loopback.

When a server dies its port is anybody's on that computer. Another user who waits for it would be
sent the next note, with the server's key, and could answer. So whoever listens is looked at after a
connection was made and before anything is sent on it; connections are kept, so that is rare. What
was connected to a server that dies afterwards is nobody else's: the kernel closes it.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from notemill.engines.protocol import NotBegun

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_LISTENS = "0A"
_ROOT = 0


def _hex4(address: str) -> str:
    (word,) = struct.unpack("=I", socket.inet_aton(address))
    return f"{word:08X}"


def _hex6(address: str) -> str:
    words = struct.unpack("=4I", socket.inet_pton(socket.AF_INET6, address))
    return "".join(f"{word:08X}" for word in words)


_EXACT = {
    "127.0.0.1": {_hex4("127.0.0.1"), _hex6("::ffff:127.0.0.1")},
    "::1": {_hex6("::1")},
}
_EXACT["localhost"] = set().union(*_EXACT.values())
_ANY = {_hex4("0.0.0.0"), _hex6("::")}
"""Addresses as the kernel's tables write them."""


def only_ours() -> aiohttp.TraceConfig:
    """For a session whose requests say by `trace_request_ctx` which server of ours they go to.

    That is the server's base URL; a request without one, or to another computer, is let through.
    A connection to a stranger's server ends with NotBegun, with nothing sent.
    """

    async def connected(
        session: aiohttp.ClientSession,
        context: Any,
        _: aiohttp.TraceConnectionCreateEndParams,
    ) -> None:
        if context.trace_request_ctx:
            refuse_strangers(context.trace_request_ctx)

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    return trace


def refuse_strangers(address: str) -> None:
    """Raise NotBegun unless who listens at an address of loopback is this user, or root."""
    place = urlsplit(address)
    if place.hostname not in _EXACT or not place.port:
        return
    listeners = list(_listeners(place.port))
    exact = [user for at, user in listeners if at in _EXACT[place.hostname]]
    users = exact or [user for at, user in listeners if at in _ANY]
    if not users:
        raise NotBegun("nothing listens on its port any more")
    if not set(users) <= {os.geteuid(), _ROOT}:
        raise NotBegun("another user of this node listens on its port now")


def _listeners(port: int) -> Iterator[tuple[str, int]]:
    """Address and user of each socket that listens on the port."""
    suffix = f":{port:04X}"
    for table in _TABLES:
        with table.open() as lines:
            next(lines)
            for line in lines:
                _, local, _, state, _, _, _, user, *_ = line.split()
                if state != _LISTENS:
                    break  # the kernel lists those that listen first; of the others there are many
                if local.endswith(suffix):
                    yield local.removesuffix(suffix), int(user)

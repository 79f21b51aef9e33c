"""Where clients reach a server: bound, shown to be theirs, and tried as they would."""

from __future__ import annotations

import asyncio
import platform
import socket
from dataclasses import dataclass, field
from pathlib import Path

from notemill.endpoints.certificates import Certificate, own_certificate, read_certificate
from notemill.endpoints.publication import LOOPBACK, Endpoint
from notemill.endpoints.standing import STANDING_PATH
from notemill.engines.http import Http
from notemill.engines.protocol import EngineGone, RequestFailed
from notemill.errors import EngineRefused, NotemillError

_REACH_S = 20.0


@dataclass(frozen=True)
class Door:
    """Where clients reach a server.

    host: as they name this node; port: 0 for a free one. certificate, key: files; without them one
    is made. trusted_network: then neither, and plain HTTP. token: what they must bring; a server
    makes its own without one.
    """

    host: str
    port: int = 0
    certificate: Path | None = None
    key: Path | None = None
    trusted_network: bool = False
    token: str = field(default="", repr=False)

    def tls(self) -> Certificate | None:
        """What it shows to clients; None for plain HTTP. Raises NotemillError."""
        if self.certificate and self.key:
            return read_certificate(self.certificate, self.key)
        if self.trusted_network or self.host in LOOPBACK:
            return None
        return own_certificate(self.host)

    def bound(self) -> socket.socket:
        """A socket that listens there. Raises NotemillError."""
        try:
            return listening_socket(self.host, self.port)
        except OSError as error:
            raise NotemillError(
                f"can't listen on port {self.port}: {error.strerror}",
                where=f"--port on {platform.node()}",
                remedy="leave --port out, then a free one is taken; or name another",
            ) from None


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket: on loopback for a host there, else on every interface of this node.

    port: 0 for one that is free. Raises OSError.
    """
    if host in ("127.0.0.1", "localhost"):
        return socket.create_server(("127.0.0.1", port))
    if host == "::1":
        return socket.create_server((host, port), family=socket.AF_INET6)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port))


async def reach(endpoint: Endpoint, token: str) -> None:
    """Come to the endpoint as a client would. Raises EngineRefused when that is impossible."""
    http = Http(endpoint.address, token, endpoint.certificate, ours=True)
    problem = "no answer"
    try:
        async with asyncio.timeout(_REACH_S):
            response = await http.get(STANDING_PATH)
        if response.ok:
            return
        problem = response.told
    except (EngineGone, RequestFailed) as error:
        problem = str(error)
    except TimeoutError:
        problem = f"no answer in {_REACH_S:g} s"
    finally:
        await http.close()
    raise EngineRefused(
        f"this node does not reach the endpoint by the name that it would publish: {problem}",
        where=endpoint.address,
        remedy="give --host the name or address by which other nodes reach this one; is a "
        "firewall between them, ask for open ports and give one with --port",
    )

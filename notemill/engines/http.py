"""HTTP to one model server: bodies as bytes, no deadline of its own.

To a server that notemill did not start each request has a connection of its own: what comes on it
answers what was sent on it, as nothing else was. One that says something twice, or late, or says
408 to an idle connection, can't be taken to answer the next note.
"""

from __future__ import annotations

import http
import io
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from notemill.engines.neighbours import only_ours
from notemill.engines.protocol import At, EngineDraining, EngineGone, NotBegun, RequestFailed

_KEPT_S = 2.0
"""How long an idle connection is kept, to an engine or guard that says one thing to each request.
Servers close theirs after 5 s, some earlier."""
LARGEST_REPLY = 1 << 23
"""Bytes, decoded; the longest answer that a model writes is some hundred kilobytes."""
_IN_PIECES = 1 << 20
"""Bytes of a body from which on it is sent in pieces, so that others go on meanwhile."""
_LONGEST_HEADER = 1 << 16
_UNAVAILABLE = 503
_AUTHORITIES = (
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
)
"""Where distributions have the system's authorities, for a Python that looks elsewhere."""


STATE_HEADER = "Notemill-State"
"""In an endpoint's refusal (503): why nothing new is asked there, `draining` or `starting`. Not a
busy engine's 503, which is worth waiting for."""
ALONE_HEADER = "Notemill-Alone"
"""In a request: that an endpoint is to answer nothing else meanwhile. It waits for its turn, and so
for `100 Continue`, before its body is sent."""
_CONNECT_S = 10.0
"""Until a server of another computer has taken a connection: a lost node refuses none."""


class Response(NamedTuple):
    """What came back. body: decoded; state: of an endpoint that takes nothing new, else empty."""

    status: int
    body: bytes
    state: str = ""

    @property
    def ok(self) -> bool:
        return self.status in range(200, 300)

    @property
    def text(self) -> str:
        """The body as text, of whatever bytes; never for a log once the server has read a note."""
        return self.body.decode(errors="replace")

    @property
    def told(self) -> str:
        """The status in words: `status 502, Bad Gateway`."""
        try:
            return f"status {self.status}, {http.HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"status {self.status}"


class Http:
    """Requests to one server, as many at a time as there are.

    address: its base URL, to which paths are appended. key: sent as a bearer token if not empty.
    certificate: sha256 (hex) of the one certificate that the server must show, nothing is sent to
    another; empty for one that the system's authorities vouch for. To such a server no proxy of the
    site is used, nor on loopback; elsewhere the environment's. authority: file (PEM) with who
    vouches for the server in the place of the system's. Redirects are not followed: notes go to the
    address that was given, and nowhere else. elsewhere: whether it may be on another computer,
    which may be lost without a word. own: an engine of a known kind that this process started, so
    connections are kept: a new one costs as much as the rest of a request. ours: this user's server
    in any case, so that on loopback nothing is sent to another user's. headers: further ones of
    each request.
    """

    def __init__(
        self,
        address: str,
        key: str = "",
        certificate: str = "",
        *,
        authority: Path | None = None,
        elsewhere: bool = False,
        own: bool = False,
        ours: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._address = address.rstrip("/")
        self._certificate = certificate
        self._authority = authority
        self._kept = own or bool(certificate)
        self._ours = self._address if (own or ours) and not certificate else None
        self._connect_s = _CONNECT_S if elsewhere else None
        self._headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "notemill",
            **(headers or {}),
        }
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._opened: aiohttp.ClientSession | None = None

    @classmethod
    def to(cls, at: At, headers: Mapping[str, str] | None = None) -> Self:
        """To a server that someone else started, on any computer."""
        return cls(
            at.address,
            at.key,
            at.certificate,
            authority=at.authority,
            elsewhere=True,
            ours=at.ours,
            headers=headers,
        )

    async def get(self, path: str) -> Response:
        """Ask for a path. Raises as `post` does."""
        return await self._request("GET", path, None)

    async def post(
        self, path: str, body: bytes, *, alone: Callable[[], None] | None = None
    ) -> Response:
        """Send JSON. Raises EngineGone without a response, NotBegun for what was not read, and
        RequestFailed with no readable response.

        alone: for what an endpoint is to answer alone; called when its turn has come.
        """
        if alone:
            # The body is sent when the endpoint has said `100 Continue`.
            headers = {ALONE_HEADER: "1", "Content-Length": str(len(body))}
            response = await self._request("POST", path, _told(body, alone), headers)
        else:
            sent = body if len(body) < _IN_PIECES else io.BytesIO(body)
            response = await self._request("POST", path, sent)
        if response.state == "draining":
            raise EngineDraining("it takes nothing new")
        if response.state:
            raise NotBegun(f"it is {response.state}")
        return response

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    async def _request(
        self,
        method: str,
        path: str,
        body: bytes | io.BytesIO | AsyncIterator[bytes] | None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        try:
            response = await self._session.request(
                method,
                self._address + path,
                data=body,
                headers=headers,
                allow_redirects=False,
                expect100=headers is not None,
                trace_request_ctx=self._ours,
            )
            refused = response.status == _UNAVAILABLE
            state = response.headers.get(STATE_HEADER, "") if refused else ""
            return Response(response.status, await _body(response), state)
        except aiohttp.ClientConnectorError as error:
            raise NotBegun(type(error).__name__) from None
        except (aiohttp.ClientError, OSError) as error:
            if _undecodable(error):
                raise RequestFailed("a reply that can not be decoded") from None
            # By its name: its words may quote what the server said.
            raise EngineGone(type(error).__name__) from None

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:  # it belongs to the event loop of the first request
            self._opened = _session(
                self._address,
                self._headers,
                self._certificate,
                self._authority,
                self._connect_s,
                kept=self._kept,
                ours=self._ours is not None,
            )
        return self._opened


async def _told(body: bytes, begun: Callable[[], None]) -> AsyncIterator[bytes]:
    begun()
    yield body


def _session(
    address: str,
    headers: dict[str, str],
    certificate: str,
    authority: Path | None,
    connect_s: float | None,
    *,
    kept: bool,
    ours: bool,
) -> aiohttp.ClientSession:
    remote = address.startswith("https://") and not certificate
    tls: ssl.SSLContext | aiohttp.Fingerprint | bool = _tls(authority) if remote else True
    if certificate:
        tls = aiohttp.Fingerprint(bytes.fromhex(certificate))
    keeping: dict[str, Any] = {"keepalive_timeout": _KEPT_S} if kept else {"force_close": True}
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls, **keeping),
        headers=headers,
        proxy=_proxy(address) if remote else None,
        # An address may be a gateway, whose cookie leads back to the same server.
        cookie_jar=aiohttp.CookieJar() if remote else aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
        trace_configs=[only_ours()] if ours else None,
    )


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Decoded, whole. Raises RequestFailed for one without end, which memory would not hold."""
    body = bytearray()
    try:
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > LARGEST_REPLY:
                raise RequestFailed(f"a reply of more than {LARGEST_REPLY >> 20} MiB")
    finally:
        response.release()  # closes a connection with anything left on it
    return bytes(body)


def _tls(authority: Path | None) -> ssl.SSLContext:
    """The server's certificate is checked by this authority, or the system's.

    Not ssl.create_default_context: Python 3.13's asks what a site's own authority may lack.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    if authority:
        context.load_verify_locations(authority)
        return context
    paths = ssl.get_default_verify_paths()  # SSL_CERT_FILE, SSL_CERT_DIR among them
    if paths.cafile or (paths.capath and any(Path(paths.capath).glob("*.[0-9]"))):
        context.set_default_verify_paths()
    elif (authorities := next(filter(Path.is_file, map(Path, _AUTHORITIES)), None)) is not None:
        context.load_verify_locations(authorities)
    return context


def _proxy(address: str) -> str | None:
    """The environment's proxy for the address, None if it names none."""
    parts = urlsplit(address)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _undecodable(error: BaseException | None) -> bool:
    """Whether a body could not be decoded, wherever aiohttp says so among the causes."""
    while error is not None:
        if isinstance(error, ContentEncodingError):
            return True
        error = error.__cause__ or error.__context__
    return False

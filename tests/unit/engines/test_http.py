"""notemill.engines.http, by real connections to servers that do as they like."""

from __future__ import annotations

import asyncio
import json
import ssl
import warnings
from pathlib import Path

import pytest

from notemill.engines.http import LARGEST_REPLY, Http, Response
from notemill.engines.protocol import EngineGone, RequestFailed
from tests.certificate import make_certificate
from tests.unit.engines.wire import OK, Seen, listening, posted, saying

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_each_request_has_a_connection_of_its_own_and_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    seen = Seen()
    assert posted(saying(OK, seen), b"{}", b"[]") == [Response(200, b"{}")] * 2
    assert (seen.connections, seen.bodies) == (2, [b"{}", b"[]"])
    for head in seen.heads:
        assert head.startswith("POST /v1/chat HTTP/1.1\r\n")
        assert "Authorization: Bearer secret\r\n" in head
        assert "Content-Type: application/json\r\n" in head


def test_as_many_requests_as_are_asked_run_at_once() -> None:
    """aiohttp's own limit is 100 connections: 256 slots would wait for each other."""
    together = asyncio.Barrier(257)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await together.wait()
        writer.write(OK)

    async def main() -> None:
        async with listening(handler) as port, asyncio.timeout(60):
            client = Http(f"http://127.0.0.1:{port}")
            await asyncio.gather(*(client.get("/x") for _ in range(together.parties)))
            await client.close()

    asyncio.run(main())


def test_sixteen_megabytes_go_there_and_eight_come_back() -> None:
    note, large = (json.dumps("x" * (size - 2)).encode() for size in (1 << 24, LARGEST_REPLY))
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(large)}\r\n\r\n".encode()
    seen = Seen()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (response,) = posted(saying(head + large, seen), note)
    assert response.body == large
    assert seen.bodies == [note]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"SSH-2.0-OpenSSH_9.6 a note's words\r\n",
    ],
)
def test_a_server_that_breaks_off_or_speaks_no_http_is_gone(said: bytes) -> None:
    with pytest.raises(EngineGone) as gone:
        posted(saying(said, Seen(), close=True), b"{}")
    assert str(gone.value).isidentifier()  # the error's name, and none of its words
    assert gone.value.__suppress_context__


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"zstd"])
def test_a_body_that_can_not_be_decoded_is_a_failed_request(encoding: bytes) -> None:
    """The server is there, and may well answer the next."""
    said = b"HTTP/1.1 200 OK\r\nContent-Encoding: " + encoding + b"\r\nContent-Length: 2\r\n\r\nno"
    with pytest.raises(RequestFailed, match="decoded"):
        posted(saying(said, Seen()), b"{}")


def test_where_nothing_listens_the_engine_is_gone() -> None:
    async def main() -> None:
        async with listening(saying(OK, Seen())) as port:
            pass
        client = Http(f"http://127.0.0.1:{port}")
        try:
            await client.get("/models")
        finally:
            await client.close()

    with pytest.raises(EngineGone):
        asyncio.run(main())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "here"
    make_certificate(path, "DNS:localhost")
    return path


class TestTls:
    @staticmethod
    def asked(certificate: Path, seen: Seen, host: str = "localhost") -> Response:
        """What a server with the certificate says."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(f"{certificate}.pem", f"{certificate}.key")

        async def main() -> Response:
            async with listening(saying(OK, seen), tls) as port:
                client = Http(f"https://{host}:{port}/v1", "secret")
                try:
                    return await client.post("/chat", b"{}")
                finally:
                    await client.close()

        return asyncio.run(main())

    def test_an_authority_of_the_system_lets_its_server_in(
        self, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.pem")
        seen = Seen()
        assert self.asked(certificate, seen).ok
        assert "Authorization: Bearer secret\r\n" in seen.heads[0]

    def test_another_authoritys_server_is_sent_nothing(self, certificate: Path) -> None:
        seen = Seen()
        with pytest.raises(EngineGone, match="Certificate"):
            self.asked(certificate, seen)
        assert seen.bodies == []

    def test_another_names_server_is_sent_nothing(
        self, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.pem")
        seen = Seen()
        with pytest.raises(EngineGone, match="Certificate"):
            self.asked(certificate, seen, "127.0.0.1")
        assert seen.bodies == []


class TestAProxyOfTheSite:
    @staticmethod
    def asked(
        address: str, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], **environment: str
    ) -> list[str]:
        """Heads of requests that came to the proxy, which lets none through."""
        seen = Seen()

        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"

        async def main() -> None:
            async with (
                listening(saying(refusal, seen)) as proxy,
                listening(hang_up) as port,
            ):
                for name in names:
                    monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
                for name, value in environment.items():
                    monkeypatch.setenv(name, value)
                client = Http(address.format(port=port))
                try:
                    await client.get("/models")
                except EngineGone:
                    pass
                finally:
                    await client.close()

        asyncio.run(main())
        return seen.heads

    @pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
    def test_leads_to_an_address(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        heads = self.asked("https://models.example:4443/v1", monkeypatch, (name,))
        assert heads[0].startswith("CONNECT models.example:4443 HTTP/1.1")

    @pytest.mark.parametrize("bypassed", ["localhost", "*"])
    def test_is_left_out_where_no_proxy_says_so(
        self, monkeypatch: pytest.MonkeyPatch, bypassed: str
    ) -> None:
        address = "https://localhost:{port}/v1"
        assert self.asked(address, monkeypatch, ("https_proxy",), no_proxy=bypassed) == []
        assert self.asked(address, monkeypatch, ("https_proxy",), no_proxy="elsewhere") != []

    def test_has_no_business_with_loopback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        address = "http://127.0.0.1:{port}/v1"
        assert self.asked(address, monkeypatch, ("http_proxy", "https_proxy", "all_proxy")) == []

"""What a server that a job started tells of itself: llama.cpp and vLLM have `/metrics`."""

from __future__ import annotations

from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

_ANSWER_S = 5.0
_MOST_BYTES = 1 << 23


class NoMetrics(OSError):
    """It has none: Ollama, llama.cpp without `--metrics`."""


def read_metrics(address: str, key: str) -> bytes:
    """A loopback server's metrics, in Prometheus' text format. Blocks; for a thread of its own.

    Raises NoMetrics, and another OSError when it does not answer.
    """
    request = Request(f"{address}/metrics", headers={"Authorization": f"Bearer {key}"})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=_ANSWER_S) as reply:
            kind = reply.headers.get_content_type()
            body = bytes(reply.read(_MOST_BYTES + 1))
    except HTTPError as error:
        raise NoMetrics(f"status {error.code}") from error
    except HTTPException as error:
        raise OSError(type(error).__name__) from error
    if kind != "text/plain" or len(body) > _MOST_BYTES:
        raise NoMetrics(f"no metrics: {kind}, {len(body)} bytes")
    return body

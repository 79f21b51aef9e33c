"""Addresses of servers: what is one, and to which notes may go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_encrypted_or_local(address: str) -> bool:
    """Whether what is sent to the address can't be read on the network."""
    parts = urlsplit(address)
    return parts.scheme == "https" or parts.hostname in _LOOPBACK


def no_address(address: str) -> str:
    """Why it is none, empty if it is one."""
    try:
        parts = urlsplit(address)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = None
    if not fits or re.search(r"[\s?#]", address):
        return f"'{address.rpartition('@')[2]}' is no address such as http://127.0.0.1:11434"
    if parts.username or parts.password:
        return f"no name or password in an address ({parts.hostname}): `api_key_file` has the key"
    return ""


def refuse_unencrypted(addresses: Sequence[str]) -> None:
    """Raise ValueError for an address to which notes would go readable."""
    for address in addresses:
        if not is_encrypted_or_local(address):
            raise ValueError(
                f"{address} gets notes over the network unencrypted; use https://, or http:// to "
                "127.0.0.1 through a tunnel, or say `trusted_network: true` where nobody else "
                "reads on it"
            )

"""TLS of an endpoint: the site's certificate, or one of its own, which clients know by its hash."""

from __future__ import annotations

import hashlib
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from notemill.errors import NotemillError
from notemill.files import refuse_open

_VALID = timedelta(days=400)
_BEFORE = timedelta(days=2)
"""Clocks of nodes differ."""


class Certificate(NamedTuple):
    """A server's side of TLS. sha256: of the certificate, as clients are told it."""

    context: ssl.SSLContext
    sha256: str


def own_certificate(host: str) -> Certificate:
    """A certificate made for this process alone; its key is on no disk."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _VALID)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    memory = os.memfd_create("certificate")  # OpenSSL reads files alone
    with os.fdopen(memory, "wb", buffering=0) as file:
        file.write(made.public_bytes(pem) + key.private_bytes(pem, *private))
        place = Path(f"/proc/self/fd/{memory}")
        return Certificate(_context(place, place), _sha256(made))


def read_certificate(certificate: Path, key: Path) -> Certificate:
    """A certificate with its chain and its key, each a file (PEM).

    Raises NotemillError when they can't be used, or others may read the key.
    """
    try:
        refuse_open(key, "the certificate's key")
        context = _context(certificate, key)
        first = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise NotemillError(
            f"this certificate and key can't be used: {getattr(error, 'reason', None) or error}",
            where=f"{certificate}, {key}",
            remedy="give --certificate a PEM file with the node's certificate and its chain, and "
            "--key its key without a password; or leave both out: then one is made",
        ) from None
    return Certificate(context, _sha256(first))


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key, password="")  # asks no one
    return context


def _sha256(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()

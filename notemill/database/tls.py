"""`database.tls` in the words of each driver: TLS or no connection, the certificate checked."""

from __future__ import annotations

import ssl
from pathlib import Path

from notemill.config.database import Tls
from notemill.errors import NotemillError

_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""The system's authorities in one file, by distribution; psycopg's own OpenSSL knows none."""


def tls_context(tls: Tls) -> ssl.SSLContext:
    """TLS or no connection, the server's certificate checked by `ca` or the system's authorities.

    PyMySQL's own options would check nothing at all without a `ca`.
    """
    _check_files(tls)
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key)
    except (ssl.SSLError, OSError) as error:
        raise NotemillError(
            f"the files of database.tls can't be used ({error})",
            where=", ".join(str(path) for path in (tls.ca, tls.cert, tls.key) if path),
            remedy="they must be PEM files that you may read; your database's administrators give "
            "them out",
        ) from None
    # The authority that MySQL makes for itself lacks what Python 3.13 asks of one.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = tls.verify_identity
    return context


def libpq_arguments(tls: Tls) -> dict[str, str]:
    """The same in the words of PostgreSQL's library. Raises NotemillError."""
    tls_context(tls)  # what is wrong with the files, in our words
    known = [ssl.get_default_verify_paths().cafile, *_AUTHORITIES]
    system = next((path for path in known if path and Path(path).is_file()), "system")
    arguments = {
        "sslmode": "verify-full" if tls.verify_identity else "verify-ca",
        "sslrootcert": str(tls.ca or system),
        # Else a session that Kerberos encrypts would come first, with no certificate at all.
        "gssencmode": "disable",
    }
    if tls.cert:
        arguments["sslcert"] = str(tls.cert)
        arguments["sslkey"] = str(tls.key or tls.cert)
    return arguments


def _check_files(tls: Tls) -> None:
    for name, path in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)):
        if path and not path.is_file():
            raise NotemillError(
                f"database.tls.{name} is not a file",
                where=str(path),
                remedy="correct the path; your database's administrators give out the file",
            )

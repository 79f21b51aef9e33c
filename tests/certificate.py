"""Self-signed certificates for tests of TLS."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificate(path: Path, name: str) -> None:
    """Write PATH.pem and PATH.key: an authority of its own for `name`, as subjectAltName has it."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=notemill test"),
            *("-addext", f"subjectAltName={name}"),
            *("-keyout", f"{path}.key", "-out", f"{path}.pem"),
        ],
        check=True,
        capture_output=True,
    )

"""The token that those who scrape must send."""

from __future__ import annotations

import re

from notemill.config import MetricsSection
from notemill.errors import NotemillError
from notemill.files import refuse_open


def read_token(section: MetricsSection) -> str:
    """The token, empty where none is asked for. Raises NotemillError."""
    if section.token_file is None:
        return ""
    try:
        refuse_open(section.token_file, "the file with the metrics' token")
        token = section.token_file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not re.fullmatch(r"[!-~]{16,}", token):
        raise NotemillError(
            "metrics.token_file can't be read, or holds no token of 16 characters or more",
            where=str(section.token_file),
            remedy="write one token into it, mode 0600: openssl rand -hex 32",
        )
    return token

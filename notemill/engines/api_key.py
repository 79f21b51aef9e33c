"""The key that a server elsewhere asks for, from the user's own file."""

from __future__ import annotations

import re

from notemill.config import Engine
from notemill.errors import NotemillError
from notemill.files import refuse_open


def api_key(engine: Engine) -> str:
    """The key of `api_key_file`, empty without one.

    Raises NotemillError when the file can't be read, holds none, or is open to others.
    """
    if not engine.api_key_file:
        return ""
    try:
        refuse_open(engine.api_key_file, "the file with the engine's key")
        key = engine.api_key_file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        key = ""
    if not re.fullmatch(r"[!-~]+", key):
        raise NotemillError(
            "engines.*.api_key_file can't be read, or holds no key",
            where=str(engine.api_key_file),
            remedy="write the key alone into this file, mode 0600",
        )
    return key

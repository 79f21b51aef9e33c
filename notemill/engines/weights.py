"""A model that is one file: recorded by its bytes, and held to them before it is asked."""

from __future__ import annotations

import threading
from pathlib import Path

from notemill.clock import now
from notemill.engines.control_tokens import recorded_tokens
from notemill.engines.details import weights_details
from notemill.engines.record import ModelRecord, former_or_new
from notemill.errors import EngineRefused
from notemill.files import sha256_of_file

_read: dict[tuple[object, ...], str] = {}
_reading = threading.Lock()


def record_weights(kind: str, name: str, weights: Path | None) -> ModelRecord:
    """What the model is; without weights, which a server elsewhere has, only its name.

    Raises EngineRefused when the file is not there.
    """
    digest, tokens, details = "", None, {}
    if weights:
        if not weights.is_file():
            raise EngineRefused(
                f"the weights of model '{name}' are not there",
                where=f"{weights} (engines.*.weights)",
                remedy="correct the path to the model's GGUF file",
            )
        digest = sha256_of_file(weights)
        tokens = recorded_tokens(weights)
        details = weights_details(weights)
    return ModelRecord(
        engine=kind,
        model=name,
        digest=digest,
        weights_sha256=digest,
        control_tokens=tokens,
        details=details,
        recorded_at=now(),
    )


def prove_weights(weights: Path | None, record: ModelRecord) -> None:
    """Raise EngineRefused when the file is not the recorded one any more.

    A file that this process has read, for another of its servers or before a restart, is not read
    again while nothing has touched it.
    """
    if weights is None:
        return
    seen = weights.stat()
    key = (weights, seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    with _reading:
        if key not in _read:
            _read[key] = sha256_of_file(weights)
        found = _read[key]
    if found != record.digest:
        raise EngineRefused(
            f"the weights of '{record.model}' have the sha256 {found}, their record says "
            f"{record.digest}",
            where=str(weights),
            remedy=former_or_new("put the former file back", found),
        )

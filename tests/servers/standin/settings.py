"""What the server takes from its environment, with Ollama's defaults and errors."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .faults import Faults
from .log import log

DEFAULT_PORT = 11434
VERSIONS = {"middle": "0.24.0", "new": "0.33.0"}


class StartError(Exception):
    """The program ends with status 1 and this message."""


@dataclass(frozen=True)
class Settings:
    """host, port: where to listen (0: any port); slots: requests answered at once; context:
    default num_ctx in tokens; gpu: whether the model is on a GPU."""

    era: str
    version: str
    host: str
    port: int
    home: Path
    models: Path
    slots: int
    context: int
    gpu: bool
    journal: Path | None
    ledger: str | None

    @classmethod
    def read(cls, environment: Mapping[str, str], faults: Faults) -> Settings:
        """Raises StartError, as `ollama serve` does."""
        era = environment.get("STANDIN_ERA", "middle")
        if era not in VERSIONS:
            raise StartError(f"STANDIN_ERA is '{era}', not one of {', '.join(VERSIONS)}")
        home = environment.get("HOME")
        if not home:
            if "OLLAMA_MODELS" not in environment:
                print("panic: $HOME is not defined", file=sys.stderr)
                sys.exit(2)
            raise StartError("$HOME is not defined")
        host, port = _address(environment.get("OLLAMA_HOST", ""))
        journal = environment.get("STANDIN_JOURNAL")
        return cls(
            era=era,
            version=cls.version_of(environment, faults),
            host=host,
            port=port,
            home=Path(home),
            models=Path(environment.get("OLLAMA_MODELS") or Path(home, ".ollama", "models")),
            slots=int(environment.get("OLLAMA_NUM_PARALLEL") or 1),
            context=int(environment.get("OLLAMA_CONTEXT_LENGTH") or 4096),
            gpu=environment.get("CUDA_VISIBLE_DEVICES", "-1") not in {"", "-1"},
            journal=Path(journal) if journal else None,
            ledger=environment.get("STANDIN_LEDGER"),
        )

    @staticmethod
    def version_of(environment: Mapping[str, str], faults: Faults) -> str:
        """The version it claims to be."""
        era = environment.get("STANDIN_ERA", "middle")
        return str(faults.of_server("version", VERSIONS.get(era, "unknown")))


def _address(text: str) -> tuple[str, int]:
    """OLLAMA_HOST: [scheme://]host[:port]."""
    scheme, found, rest = text.strip().rpartition("://")
    default = {"http": 80, "https": 443}.get(scheme, DEFAULT_PORT) if found else DEFAULT_PORT
    host, _, port = rest.partition("/")[0].partition(":")
    number = int(port) if port.isdecimal() else default if not port else -1
    if not 0 <= number <= 65535:
        log("WARN", "config.go:51", "invalid port, using default", port=port, default=default)
        number = default
    return host or "127.0.0.1", number

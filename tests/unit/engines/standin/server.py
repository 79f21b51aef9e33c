"""A running `ollama serve`, the stand-in or a real one, and what its tests ask it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

PROGRAM = Path(__file__).parents[3] / "servers" / "standin" / "ollama"
STANDIN = [sys.executable, str(PROGRAM)]
REAL = os.environ.get("NOTEMILL_OLLAMA")
REAL_TOO = ["real"] if REAL else []
VERSIONS = {"middle": "0.24.0", "new": "0.33.0"}
CONTEXT = 512
CLIENT = httpx.Client(timeout=120)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "response": {"type": "string", "enum": ["(1) Likely", "(2) Unlikely"]},
        "explanation": {"type": "string"},
        "alive": {"type": "boolean"},
    },
    "required": ["response", "explanation", "alive"],
}
TOO_LONG = {
    "middle": "the input length exceeds the context length",
    "new": "exceeds the available context size",
}


@dataclass
class Server:
    """A running `ollama serve`."""

    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    address: str
    version: str

    @property
    def era(self) -> str:
        minor = int(self.version.split(".")[1])
        return "middle" if minor < 30 else "new"

    def text(self, tokens: int) -> str:
        """A text of so many tokens: the random model has one for each character."""
        return "x" * tokens * (1 if self.command == [REAL] else 4)

    def post(self, path: str, timeout_s: float = 120, **body: Any) -> httpx.Response:
        return CLIENT.post(self.address + path, json=body, timeout=timeout_s)

    def get(self, path: str) -> Any:
        return CLIENT.get(self.address + path).json()

    def chat(
        self,
        note: str,
        system: str | None = "Is there pneumonia?",
        options: dict[str, Any] | None = None,
        timeout_s: float = 120,
        **fields: Any,
    ) -> httpx.Response:
        """One request as a batch sends it."""
        messages = [{"role": "user", "content": note}]
        if system is not None:
            messages.insert(0, {"role": "system", "content": system})
        body = {"model": "tiny", "stream": False, "messages": messages, "format": SCHEMA}
        body |= {"options": {"num_predict": 200, "temperature": 0, **(options or {})}}
        return self.post("/api/chat", timeout_s, **(body | fields))

    def answer(self, note: str, **fields: Any) -> Any:
        """The parsed answer of a request that must end well."""
        reply = self.chat(note, **fields)
        assert reply.status_code == 200, reply.text
        assert (reply.json()["done"], reply.json()["done_reason"]) == (True, "stop")
        return json.loads(reply.json()["message"]["content"])

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


Start = Callable[..., Server]


def journal(server: Server) -> list[dict[str, Any]]:
    path = Path(server.environment["STANDIN_JOURNAL"])
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

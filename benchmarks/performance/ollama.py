"""A real Ollama with the shipped model, as a server to measure; prints its ports once it answers.

NOTEMILL_OLLAMA=/path/to/ollama python -m benchmarks.performance.ollama --slots 4 --context 1024
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import tempfile
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from benchmarks.performance.clients import MODEL, PATH
from notemill.config import OllamaEngine
from notemill.engines.ollama.server import running_ollama
from tests.oracle import WEIGHTS
from tests.servers.real_ollama import THREADS, make_store

VARIABLE = "NOTEMILL_OLLAMA"
"""The program; without it that line is left out."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--context", type=int, required=True)
    options = parser.parse_args()
    program = Path(os.environ[VARIABLE])
    _, _, modelfile = WEIGHTS.with_name("Modelfile").read_text().partition("\n")  # after FROM
    modelfile += f"PARAMETER num_thread {THREADS['num_thread']}\n"
    with tempfile.TemporaryDirectory(prefix="notemill-ollama-") as folder:
        store = make_store(program, WEIGHTS, Path(folder), MODEL, modelfile)
        engine = OllamaEngine(kind="ollama", command=[str(program)], models=store)
        asyncio.run(_serve(engine, Path(folder) / "log", options.slots, options.context))


async def _serve(engine: OllamaEngine, log: Path, slots: int, context: int) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with running_ollama(engine, log, slots=slots, num_ctx=context) as (address, _):
        await asyncio.to_thread(_load, address)
        print(json.dumps([urlsplit(address).port]), flush=True)
        await ended.wait()


def _load(address: str) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "?"}], "max_tokens": 1}
    head = {"Content-Type": "application/json"}
    with urlopen(Request(address + PATH, json.dumps(body).encode(), head)) as reply:
        reply.read()


if __name__ == "__main__":
    main()

"""A model store made by a real ollama: the tests' random model under the name `random`."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

from notemill.config import OllamaEngine
from notemill.engines.ollama_server import running_ollama

THREADS = {"num_thread": 1}
"""Runner options for a model so small that a second thread only waits for the first."""


def make_store(program: Path, weights: Path, folder: Path) -> Path:
    """Import the weights (GGUF) into a new store below `folder`; returns the store."""
    store = folder / "models"
    store.mkdir()
    (folder / "Modelfile").write_text(f"FROM {weights}\n")

    async def create() -> None:
        engine = OllamaEngine(kind="ollama", command=[str(program)], models=store)
        async with running_ollama(engine, folder / "create.log") as (address, _):
            await asyncio.to_thread(
                subprocess.run,
                [str(program), "create", "random", "-f", str(folder / "Modelfile")],
                env=os.environ | {"OLLAMA_HOST": address, "HOME": str(folder)},
                capture_output=True,
                check=True,
            )

    asyncio.run(create())
    return store

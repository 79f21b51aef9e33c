"""A model store made by a real ollama."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

from notemill.config import OllamaEngine
from notemill.engines.ollama.server import running_ollama

THREADS = {"num_thread": 1}
"""Runner options for a model so small that a second thread only waits for the first."""


def make_store(
    program: Path, weights: Path, folder: Path, name: str = "random", modelfile: str = ""
) -> Path:
    """Import the weights (GGUF) as `name` into a new store below `folder`; returns the store.

    modelfile: what a Modelfile says beside FROM.
    """
    store = folder / "models"
    store.mkdir()
    (folder / "Modelfile").write_text(f"FROM {weights}\n{modelfile}")

    async def create() -> None:
        engine = OllamaEngine(kind="ollama", command=[str(program)], models=store)
        async with running_ollama(engine, folder / "create.log") as (address, _):
            await asyncio.to_thread(
                subprocess.run,
                [str(program), "create", name, "-f", str(folder / "Modelfile")],
                env=os.environ | {"OLLAMA_HOST": address, "HOME": str(folder)},
                capture_output=True,
                check=True,
            )

    asyncio.run(create())
    return store

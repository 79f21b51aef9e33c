"""A model store made by a real ollama."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

from notemill.config import OllamaEngine
from notemill.engines.ollama.server import running_ollama
from tests.workflow.project import REPOSITORY

THREADS = {"num_thread": 1}
"""Runner options for a model so small that a second thread only waits for the first."""
TINY = REPOSITORY / "models" / "notemill-tiny.gguf"
TINY_EXPERIMENT = {"model": "tiny", "options": {"num_ctx": 1024, "num_predict": 200}}


def tiny_ollama(program: Path, folder: Path) -> dict[str, Any]:
    """An engine with the shipped model as `tiny`, in a new store below `folder`."""
    modelfile = TINY.with_name("Modelfile").read_text().partition("\n")[2]  # after FROM
    return {
        "command": [str(program)],
        "models": str(make_store(program, TINY, folder, "tiny", modelfile)),
        "runner_options": THREADS,
        "environment": {},
    }


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

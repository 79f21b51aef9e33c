"""A project with the shipped model behind `notemill serve`, and its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from notemill.endpoints.publication import NoFolder, Published, published
from notemill.engines import afterwards
from tests import oracle
from tests.processes import command_of

START_S = 500


def write_project(folder: Path, **engine: Any) -> Path:
    """A configuration whose engine starts the shipped model; its servers publish in endpoints/."""
    folder.mkdir(parents=True, exist_ok=True)
    oracle.write_sqlite(folder / "clinic.sqlite")
    values = oracle.config(
        {"url": "sqlite:///clinic.sqlite"},
        {**oracle.EMBEDDED, "slots": 2, "endpoints": "endpoints", **engine},
    )
    (folder / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return folder


def command(folder: Path, *words: str) -> list[str]:
    name, *rest = words
    python = [sys.executable, "-m", "notemill", name]
    return [*python, "--configfile", str(folder / "config.yaml"), "-d", str(folder), *rest]


def notemill(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; errors come with its output."""
    return subprocess.run(
        command(folder, *words), capture_output=True, text=True, check=False, timeout=START_S
    )


class Serving:
    """A running `notemill serve engine`."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.folder = folder
        self.endpoints = folder / "endpoints"
        self.process = subprocess.Popen(
            command(folder, "serve", "engine", *options),
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def published(self, *, besides: Published | None = None) -> Published:
        """Its endpoint, once it is there; besides: another than this. Fails when it ends before."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                found = published(self.endpoints).endpoints
            except NoFolder:
                found = []
            if found and (besides is None or found[0].endpoint.renewed > besides.endpoint.renewed):
                return found[0]
            assert self.process.poll() is None, self.process.communicate()[0]
            time.sleep(0.05)
        raise AssertionError("it did not publish itself")

    def engine(self) -> psutil.Process:
        """The process of its engine."""
        children = psutil.Process(self.process.pid).children()
        (one,) = (each for each in children if afterwards.__file__ not in command_of(each))
        return one

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Signal it; its exit status and all that it said."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=START_S)
        return self.process.returncode, said


@contextmanager
def serving(folder: Path, *options: str, **environment: str) -> Iterator[Serving]:
    server = Serving(folder, *options, **environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end(signal.SIGTERM)

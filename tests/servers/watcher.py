"""Looks for planted words where others could read them: /proc, Slurm, files of any form."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Self
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from tests.servers.slurm import CommandFailed

_PROC_EVERY_S = 0.05
_SLURM_EVERY_S = 1.0


@cache
def forms(word: str) -> list[bytes]:
    """A word as it may stand in a file."""
    return [
        word.encode(),
        quote(word, safe="").encode(),
        json.dumps(word)[1:-1].encode(),
        base64.b64encode(word.encode()).rstrip(b"=")[:-2],
        word.encode("utf-16-le"),
    ]


def told_by(path: Path) -> Iterator[bytes]:
    """All that a file says: its bytes, and what is packed in it."""
    with suppress(OSError):
        raw = path.read_bytes()
        yield raw
        if raw.startswith(b"\x1f\x8b"):
            with suppress(OSError, EOFError):
                yield gzip.decompress(raw)
        elif raw.startswith(b"PAR1"):
            with suppress(pa.ArrowException, OSError):
                table = pq.read_table(path)
                yield str((table.schema.metadata, table.to_pylist())).encode(errors="replace")
        elif raw.startswith(b"\x28\xb5\x2f\xfd"):
            with suppress(pa.ArrowException, OSError):
                yield pa.CompressedInputStream(pa.BufferReader(raw), "zstd").read()
        elif raw.startswith(b"PK"):
            with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as packed:
                for name in packed.namelist():
                    yield packed.read(name)


def found_in(told: bytes, words: Mapping[str, str]) -> set[str]:
    """Names of the words that stand in it."""
    return {name for name, word in words.items() if any(form in told for form in forms(word))}


def files_with(folder: Path, words: Mapping[str, str]) -> Iterator[tuple[Path, set[str]]]:
    """Files below a folder in which, or in whose path, a word stands."""
    for path in folder.rglob("*"):
        found = found_in(bytes(path.relative_to(folder)), words)
        if path.is_file() and not path.is_symlink():
            for told in told_by(path):
                found |= found_in(told, words)
        if found:
            yield path, found


class Watcher:
    """A thread that samples command lines, environments and Slurm, until it is left.

    commands: what Slurm is asked, each a function that gives what anyone sees. seen: where a word
    stood, as (place, the process's command line or the question, name of the word). looked: how
    often, with an answer; processes: command lines of all that were looked at.
    """

    def __init__(self, words: Mapping[str, str], commands: Mapping[str, Callable[[], str]]) -> None:
        self._words = words
        self._commands = commands
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._every, args=look)
            for look in ((_PROC_EVERY_S, self._proc), (_SLURM_EVERY_S, self._slurm))
        ]
        self._known: set[tuple[str, bytes]] = set()
        self.seen: set[tuple[str, str, str]] = set()
        self.processes: set[str] = set()
        self.looked = dict.fromkeys(["proc", *commands], 0)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _every(self, seconds: float, look: Callable[[], None]) -> None:
        while not self._over.wait(seconds):
            look()

    def _proc(self) -> None:
        self.looked["proc"] += 1
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                line = (process / "cmdline").read_bytes()
                if (process.name, line) in self._known:
                    continue  # its environment is that of the same command
                command = line.replace(b"\0", b" ").decode(errors="replace")
                self.processes.add(command)
                for name in found_in(line, self._words):
                    self.seen.add(("command line", command, name))
                environment = (process / "environ").read_bytes()
                self._known.add((process.name, line))
                for name in found_in(environment, self._words):
                    place = "environment"
                    if b"SLURM_JOB_ID=" in environment:
                        place = "environment of a Slurm job"
                    self.seen.add((place, command, name))

    def _slurm(self) -> None:
        for question, command in self._commands.items():
            with suppress(CommandFailed):
                answer = command()
                self.looked[question] += bool(answer.strip())
                for name in found_in(answer.encode(), self._words):
                    self.seen.add(("told to all", question, name))

"""Files that change, come or are written to while a cohort is read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notemill.notes.sources.rows import SourceFiles
from tests.unit.notes.sources.conftest import Source

GOOD = '{"id": 1, "text": "PRIVATE"}\n'


def _changed_meanwhile(
    source: Source, monkeypatch: pytest.MonkeyPatch, change: Any, at: int = 1
) -> str:
    """The refusal when a file changes after some rows."""
    real = SourceFiles.rows

    def rows(self: SourceFiles, *, whole: bool = False) -> Iterator[Any]:
        for number, row in enumerate(real(self, whole=whole), 1):
            if number == at:
                change()
            yield row

    monkeypatch.setattr(SourceFiles, "rows", rows)
    return source.refusal("*.jsonl").what


def _grow(path: Path) -> None:
    with path.open("a") as file:
        file.write('{"id": 9, "text": "late"}\n')


def _same_size(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"PRIVATE", b"private"))


def _replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize("change", [_grow, _same_size, _replace])
@pytest.mark.parametrize("at", [1, 2])
def test_a_file_that_changes_while_it_is_read_is_refused(
    source: Source, monkeypatch: pytest.MonkeyPatch, change: Any, at: int
) -> None:
    """Also one that was read to its end, while the others are."""
    first = source.write("a.jsonl", GOOD)
    source.write("b.jsonl", GOOD.replace("1", "2"))
    told = _changed_meanwhile(source, monkeypatch, lambda: change(first), at)
    assert "changed while it was read" in told


def test_a_file_that_comes_while_others_are_read_is_refused(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.write("a.jsonl", GOOD)
    told = _changed_meanwhile(source, monkeypatch, lambda: source.write("b.jsonl", GOOD))
    assert "came or went while they were read" in told


def test_a_file_that_is_written_to_all_the_time_is_refused(source: Source) -> None:
    """A real writer beside the reader."""
    path = source.write("a.jsonl", "".join(GOOD.replace("1", str(n)) for n in range(2000)))
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            _grow(path)
            time.sleep(0.0005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert "changed while it was read" in source.refusal("a.jsonl").what
    finally:
        done.set()
        writer.join()

"""notemill.notes.texts: a shard's texts by length, whatever fits into memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.notes import shard, texts
from notemill.notes.texts import longest_first, read_texts, text_bytes
from tests.unit.conftest import Clinic


@pytest.fixture
def path(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shard of many row groups, with equal texts, blank ones and NULL."""
    monkeypatch.setattr(shard, "_ROWS_A_GROUP", 16)
    notes = [f"ä{number} " + "y" * (number * 37 % 400) for number in range(300)]
    clinic.fill(*enumerate([*notes, *notes[:50], "", "  ", None]))
    clinic.extract(shards=1)
    return clinic.layout.notes("chest", clinic.cut(), "0000")


@pytest.mark.parametrize("held", [64 << 20, 5000, 1])
def test_the_longest_come_first_and_each_once(
    path: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "_HELD_BYTES", held)
    sizes = text_bytes(path)
    given = list(longest_first(path, sizes))
    assert len(given) == len(sizes) == 300
    assert {sha for sha, _ in given} == set(sizes)
    assert all(len(text.encode()) == sizes[sha] for sha, text in given)
    lengths = [sizes[sha] for sha, _ in given]
    if held > 1 << 20:
        assert lengths == sorted(lengths, reverse=True)
    else:
        assert min(lengths[:15]) > 350
        assert max(lengths[-15:]) < 120


def test_a_part_is_read_in_the_order_of_hashes(path: Path) -> None:
    sizes = text_bytes(path)
    wanted = set(sorted(sizes)[::7])
    assert [sha for sha, _ in read_texts(path, wanted)] == sorted(wanted)


def test_no_more_is_held_than_may_be_and_no_shard_is_read_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "_HELD_BYTES", 1)
    reads = []
    read = texts.read_texts

    def counted(*given: object) -> object:
        reads.append(given)
        return read(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(texts, "read_texts", counted)
    assert len(list(longest_first(path, text_bytes(path)))) == 300
    assert 1 < len(reads) <= 17


def test_a_text_that_is_not_the_one_it_was_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = text_bytes(path)
    monkeypatch.setattr(texts, "_group", _other_texts(texts._group))
    with pytest.raises(NotemillError, match="not the one it was"):
        list(longest_first(path, sizes))


def _other_texts(group: object) -> object:
    def read(file: object, number: int, columns: list[str]) -> object:
        table = group(file, number, columns)  # type: ignore[operator]
        return table.take(list(range(table.num_rows))[::-1]) if columns == ["text"] else table

    return read

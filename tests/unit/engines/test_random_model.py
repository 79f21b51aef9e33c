"""The random model's file; what it answers: test_llamacpp_program.py."""

from pathlib import Path

import pytest

from tests.random_model import write_random_model


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in [("a", 3), ("b", 3), ("c", 4)]:
        write_random_model(tmp_path / name, seed)
    contents = [(tmp_path / name).read_bytes() for name in "abc"]
    assert contents[0] == contents[1] != contents[2]


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        write_random_model(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]

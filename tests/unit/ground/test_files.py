from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.files import (
    check_folder,
    explained,
    private_folder,
    sha256_of_file,
    write_text,
    written_whole,
)
from tests.unit.conftest import full_disk, names_in


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_new_folders_and_files_are_the_owners_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    write_text(tmp_path / "a" / "b" / "file", "text")
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/file")] == [0o700, 0o700, 0o600]
    assert mode(tmp_path) == 0o755  # what was there keeps its mode


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "before")
    with pytest.raises(RuntimeError), written_whole(path) as partial:
        partial.write_text("half")
        assert path.read_text() == "before"
        raise RuntimeError
    assert names_in(tmp_path) == ["file"]
    assert path.read_text() == "before"
    with path.open() as reader:
        write_text(path, "after")
        assert reader.read() == "before"  # who reads it meanwhile reads one of the two
    assert path.read_text() == "after"


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    full_disk(tmp_path / f".file.{os.uname().nodename}.{os.getpid()}.partial")
    with pytest.raises(NotemillError) as refused:
        write_text(path, "text")
    assert "no space is left" in refused.value.what
    assert refused.value.where == str(path)
    assert "`results`" in refused.value.remedy
    assert names_in(tmp_path) == []


def test_a_name_that_is_too_long_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match="longer than the file system takes"):
        write_text(tmp_path / ("a" * 250), "text")
    assert names_in(tmp_path) == []


def test_a_folder_that_refuses_is_named() -> None:
    with pytest.raises(NotemillError, match="can't be written") as refused:
        private_folder(Path("/sys/notemill/cohorts"))
    assert refused.value.where == "/sys/notemill/cohorts"


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(NotemillError, match="not a folder") as refused:
        write_text(tmp_path / "results" / "cohorts" / "file", "text")
    assert "`results`" in refused.value.remedy


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM])
def test_what_a_file_system_refuses_has_a_remedy(tmp_path: Path, number: int) -> None:
    with pytest.raises(NotemillError, match=str(tmp_path)), explained(tmp_path):
        raise OSError(number, os.strerror(number))


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output"), explained(tmp_path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_sha256_of_file(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of_file(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda place: place.write_text("x"), "is a file, not a folder"),
        (lambda place: place.symlink_to("nowhere"), "a link that leads nowhere"),
        (lambda place: place.symlink_to(place), "a link that leads nowhere"),
    ],
)
@pytest.mark.parametrize("below", ["", "deep/er"])
def test_a_folder_that_can_not_be_is_refused_and_nothing_is_made(
    tmp_path: Path, make: Callable[[Path], object], words: str, below: str
) -> None:
    make(tmp_path / "results")
    for refuses in (check_folder, private_folder):
        with pytest.raises(NotemillError, match=words):
            refuses(tmp_path / "results" / below)
    assert names_in(tmp_path) == ["results"]


def test_a_folder_on_a_read_only_file_system_is_refused() -> None:
    with pytest.raises(NotemillError, match="can't be written"):
        check_folder(Path("/proc/1/results"))


def test_a_folder_that_can_be_made_passes_and_is_not_made(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b")
    assert names_in(tmp_path) == []

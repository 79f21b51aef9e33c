from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
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
from notemill.leftovers import aside
from notemill.locks import LockedFile
from tests.disks import small_disk
from tests.unit.conftest import names_in


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
    with small_disk(tmp_path) as disk:
        write_text(path, "before")
        disk.fill()
        with pytest.raises(NotemillError) as refused:
            write_text(path, "text" * 5000)
        assert "no space is left" in refused.value.what
        assert refused.value.where == str(path)
        assert "`results`" in refused.value.remedy
        disk.give_room()
        assert names_in(tmp_path) == ["file"]
        assert path.read_text() == "before"
        write_text(path, "text" * 5000)
        assert path.read_text() == "text" * 5000


def test_a_name_that_is_too_long_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match="longer than the file system takes"):
        write_text(tmp_path / ("a" * 256), "text")
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


def test_no_link_is_followed_whatever_others_do_in_the_folder(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    path = tmp_path / "shared" / "page.html"
    path.parent.mkdir()
    aside(path).symlink_to(theirs)  # they know the name
    write_text(path, "a note")
    assert path.read_text() == "a note"
    with pytest.raises(NotemillError, match="removed or replaced"), written_whole(path) as partial:
        aside(path).unlink()
        aside(path).symlink_to(theirs)
        partial.write_text("another note")
    assert path.read_text() == "a note"
    assert theirs.read_text() == "theirs"
    path.unlink()
    path.symlink_to(theirs)
    write_text(path, "a note")
    assert (path.read_text(), theirs.read_text()) == ("a note", "theirs")
    assert names_in(path.parent) == ["page.html"]


def test_a_file_that_stays_open_goes_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "0001.journal.jsonl").symlink_to(tmp_path / "theirs")
    with pytest.raises(NotemillError, match="this is a link") as refused:
        LockedFile(tmp_path / "0001.journal.jsonl")
    assert refused.value.where == str(tmp_path / "0001.journal.jsonl")
    assert (tmp_path / "theirs").read_text() == "theirs"


@pytest.mark.parametrize("umask", [0, 0o777])
def test_a_file_is_private_from_its_first_byte_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    os.umask(umask)
    path = tmp_path / "a" / "b"
    with written_whole(path) as partial:
        assert (mode(path.parent), mode(aside(path)), partial.stat().st_size) == (0o700, 0o600, 0)
        partial.write_text("text")
    with closing(LockedFile(tmp_path / "a" / "lock")):
        assert {mode(path), mode(tmp_path / "a" / "lock")} == {0o600}


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_no_mode_is_changed_after_a_file_has_text(tmp_path: Path) -> None:
    """What the kernel is asked for, in this order, by another process."""
    program = (
        "import os, sys; os.umask(0); from pathlib import Path; from notemill.files import *; "
        "write_text(Path(sys.argv[1]) / 'a' / 'file', 'text')"
    )
    calls = "trace=chmod,fchmod,fchmodat,openat,mkdir"
    command = ["strace", "-f", "-e", calls, sys.executable, "-c", program, str(tmp_path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert "chmod" not in told
    (made,) = re.findall(r"openat\(.*file\..*partial\", (\S+), (\d+)\)", told)
    assert {"O_CREAT", "O_EXCL", "O_NOFOLLOW"} <= set(made[0].split("|"))
    assert made[1] == "0600"

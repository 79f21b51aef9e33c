"""notemill.leftovers, with processes that really die."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from notemill import leftovers
from notemill.errors import NotemillError
from notemill.files import write_text
from notemill.leftovers import aside, clear, mark, temporary_folder
from tests.disks import mounted
from tests.nodes import on_another_node
from tests.unit.conftest import names_in

MAKER = """
import sys, time
from pathlib import Path
from notemill.files import written_whole
from notemill.leftovers import temporary_folder

with temporary_folder("home") as folder, written_whole(Path(sys.argv[1])) as partial:
    (folder / "api-key").write_text("key")
    partial.write_text("half")
    print(folder, flush=True)
    time.sleep(600)
"""


@contextmanager
def maker(place: Path, before: Sequence[str] = ()) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process in the midst of its work, and the temporary folder that it has.

    before: words before its command, to run it on another node.
    """
    with subprocess.Popen(
        [*before, sys.executable, "-c", MAKER, str(place / "file")],
        env=os.environ | {"TMPDIR": str(place), "SLURM_TMPDIR": ""},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_what_a_killed_process_left_is_cleared_by_the_next_and_a_living_ones_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("SLURM_TMPDIR", raising=False)
    with maker(tmp_path) as (killed, of_killed), maker(tmp_path) as (_, of_living):
        partials = {name for name in names_in(tmp_path) if name.endswith(".partial")}
        killed.kill()
        killed.wait()
        with temporary_folder("home") as mine:
            left = set(names_in(tmp_path))
            assert of_killed.name not in left
            assert (of_living / "api-key").read_text() == "key"
            assert mine.stat().st_mode & 0o777 == 0o700
            (of_living_too,) = left - {of_living.name, mine.name}
            assert of_living_too in partials
        assert set(names_in(tmp_path)) == {of_living.name, of_living_too}


@pytest.mark.parametrize("same_installation", [False, True])
def test_what_another_host_of_this_name_has_stays_and_what_this_one_had_before_its_boot_goes(
    tmp_path: Path, same_installation: bool
) -> None:
    """Its processes are none of this host's: from here a living one looks as this killed one."""
    place = tmp_path / "place"
    place.mkdir()
    node = on_another_node(tmp_path / "node", machine=not same_installation)
    with maker(place, node) as (killed, folder):
        assert folder.parent == place
        killed.kill()
        killed.wait()
    left = names_in(place)
    assert len(left) == 2
    clear(place)
    assert names_in(place) == ([] if same_installation else left)


def test_the_next_file_in_a_folder_clears_what_a_killed_writer_left(tmp_path: Path) -> None:
    with maker(tmp_path) as (killed, _):
        killed.kill()
        killed.wait()
    (tmp_path / "results").mkdir()
    for name in names_in(tmp_path):
        if name.endswith(".partial"):
            (tmp_path / name).rename(tmp_path / "results" / name)
    assert len(names_in(tmp_path / "results")) == 1
    write_text(tmp_path / "results" / "other", "text")
    assert names_in(tmp_path / "results") == ["other"]


def dead(**changes: object) -> str:
    """The mark of a process of this host that never was, with parts changed."""
    host, boot, process, start = mark().rsplit(".", 3)
    parts = {"host": host, "boot": boot, "process": process, "start": int(start) - 1} | changes
    return ".".join(map(str, parts.values()))


@pytest.mark.parametrize(
    ("name", "goes"),
    [
        (f".0001.parquet.{dead()}.partial", True),  # the number is another process' now
        (f".0001.parquet.{dead(process=2**22)}.partial", True),
        (f"notemill-home.{dead()}.x7_a", True),
        (f".0001.parquet.{mark()}.partial", False),
        (f"notemill-home.{mark()}.x7_a", False),
        (f"notemill-home.{dead(start=mark().rsplit('.', 1)[1], boot='0badb007')}.x7_a", True),
        (f".0001.parquet.{dead(host='elsewhere')}.partial", False),
        (f"notemill-home.{dead(host='elsewhere')}.x7_a", False),
        (f"notemill-home.{dead(host='elsewhere.' + os.uname().nodename)}.x7_a", False),
        (f"home.{dead()}.x7_a", False),
        (f"0001.parquet.{dead()}.partial", False),
        ("notemill-0", False),  # staged weights
        (f"{dead()}.", False),
    ],
    ids=range(13),  # not the names, which differ from process to process
)
def test_the_mark_alone_tells_what_is_to_go(tmp_path: Path, name: str, goes: bool) -> None:
    (tmp_path / name).write_text("")
    clear(tmp_path)
    assert names_in(tmp_path) == ([] if goes else [name])


def test_nothing_is_removed_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("")
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / f"notemill-home.{dead()}.x").symlink_to(tmp_path / "kept")
    clear(tmp_path / "place")
    assert names_in(tmp_path / "place") == []
    assert names_in(tmp_path / "kept") == ["file"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_another_user_left_is_not_touched(tmp_path: Path) -> None:
    other = tmp_path / f"notemill-home.{dead()}.x"
    other.mkdir()
    os.chown(other, 12345, 12345)
    clear(tmp_path)
    assert names_in(tmp_path) == [other.name]


def test_a_forked_process_has_its_own_mark() -> None:
    mine = mark()
    read, write = os.pipe()
    if not (child := os.fork()):
        os.write(write, mark().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 500).decode() not in ("", mine)
    os.close(read), os.close(write)


def test_processes_of_a_container_are_of_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have numbers of their own, under the same name perhaps."""
    ours = leftovers._host()
    leftovers._host.cache_clear()
    monkeypatch.setattr(leftovers, "_FIRST_PROCESS_SPACE", "pid:[1]")
    try:
        assert leftovers._host() != ours
    finally:
        leftovers._host.cache_clear()


def test_a_temporary_folder_that_can_not_be_has_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with mounted(tmp_path, "size=16k,nr_inodes=1"):
        with pytest.raises(NotemillError, match="no temporary folder can be made") as refused:
            with temporary_folder("home"):
                pass
    assert "TMPDIR" in refused.value.remedy
    assert aside(tmp_path / "a").name == f".a.{mark()}.partial"


def test_a_tmpdir_that_is_missing_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setenv("SLURM_TMPDIR", str(tmp_path))
    with temporary_folder("home") as folder:
        assert folder.parent == tmp_path
    monkeypatch.delenv("SLURM_TMPDIR")
    with temporary_folder("home") as folder:
        assert folder.is_dir()


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "x" * 200 + ".csv.gz"])
def test_a_name_as_long_as_the_file_system_takes_is_written_and_its_leftovers_cleared(
    tmp_path: Path, name: str
) -> None:
    write_text(tmp_path / name, "text")
    assert names_in(tmp_path) == [name]
    long, other = aside(tmp_path / name), aside(tmp_path / f"{name[:-1]}-")
    assert long != other
    dead = long.with_name(long.name.replace(f".{os.getpid()}.", ".1."))
    dead.touch()
    clear(tmp_path)
    assert names_in(tmp_path) == [name]


def test_nothing_is_cleared_where_others_could_rename_a_folder_of_ours(tmp_path: Path) -> None:
    """Its name would tell of a dead process, and all that is in it would go."""
    ours = tmp_path / f"notemill-engine.{os.uname().nodename}.999999999.1.x"
    (ours / "results").mkdir(parents=True)
    named = ours.with_name(ours.name.replace(os.uname().nodename, leftovers.space()))
    ours.rename(named)
    tmp_path.chmod(0o777)
    clear(tmp_path)
    assert (named / "results").exists()
    tmp_path.chmod(0o1777)  # as /tmp, where only its owner renames it
    clear(tmp_path)
    assert not named.exists()

"""A cohort's files after it was read: another file is refused, another place is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from notemill.errors import NotemillError
from notemill.notes.frozen import check_cohorts, check_files, compare_files
from notemill.notes.manifest import read_frozen
from notemill.notes.sources.rows import read_again
from notemill.paths import cut_name
from tests.unit.conftest import config
from tests.unit.notes.sources.conftest import Source


@pytest.fixture
def read(source: Source) -> Source:
    """Two files, read as a cohort."""
    source.write("a.csv", "id,text\n1,one\n")
    source.write("b.csv", "id,text\n2,two\n")
    source.extract("*.csv")
    return source


def planned(source: Source, files: Any = None, **changes: Any) -> Any:
    """The configuration as the plan has it."""
    given = {"id_columns": ["id"], "text_column": "text", "shards": 2, **changes}
    kept = {key: value for key, value in given.items() if value is not None}
    files = files or str(source.folder / "*.csv")
    return config(results=str(source.layout.results), cohorts={"c": {"files": files, **kept}})


def frozen_bytes(source: Source) -> bytes:
    return source.layout.frozen("c").read_bytes()


def vanish(source: Source) -> None:
    (source.folder / "a.csv").unlink()


def vanish_all(source: Source) -> None:
    shutil.rmtree(source.folder)


def grow(source: Source) -> None:
    source.write("a.csv", "id,text\n1,one\n3,three\n")


def come(source: Source) -> None:
    source.write("c.csv", "id,text\n3,three\n")


@pytest.mark.parametrize(
    ("change", "names", "words"),
    [
        (vanish, ["a.csv"], ["now: not there", "read: 14 bytes of 20"]),
        (vanish_all, ["a.csv", "b.csv"], ["now: not there"]),
        (grow, ["a.csv"], ["read: 14 bytes", "now: 22 bytes"]),
        (come, ["c.csv"], ["read: not there", "now: 16 bytes"]),
    ],
)
def test_other_files_are_refused_with_both_by_plan_and_extract(
    read: Source, change: Callable[[Source], None], names: list[str], words: list[str]
) -> None:
    before = frozen_bytes(read)
    change(read)
    for refusing in (
        lambda: check_files(planned(read)),
        lambda: read.extract("*.csv"),
        lambda: read.extract("*.csv", shards=5),
    ):
        with pytest.raises(NotemillError) as refused:
            refusing()
        for name in names:
            assert f"{name}, read: " in refused.value.what
        assert all(word in refused.value.what for word in words)
        assert "another name" in refused.value.remedy
        assert "rm -rf" in refused.value.remedy
        assert refused.value.where == "cohorts.c.files"
    assert frozen_bytes(read) == before


def test_another_time_is_told_by_the_plan_and_compared_by_a_run(read: Source) -> None:
    assert check_files(planned(read)) == {}
    os.utime(read.folder / "a.csv", (1, 1))
    before = frozen_bytes(read)
    assert check_files(planned(read)) == {"c": ["a.csv"]}
    assert frozen_bytes(read) == before  # the plan writes nothing
    compare_files(planned(read))
    assert check_files(planned(read)) == {}
    assert frozen_bytes(read) != before


def test_a_plan_opens_no_file(read: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(read.folder / "a.csv", (1, 1))
    monkeypatch.setattr("notemill.notes.sources.changes.sha256_of_file", pytest.fail)
    monkeypatch.setattr("notemill.notes.sources.stream.opened", pytest.fail)
    assert check_files(planned(read)) == {"c": ["a.csv"]}


def test_another_text_of_the_same_size_is_refused_by_a_run_and_by_extract(read: Source) -> None:
    read.write("a.csv", "id,text\n1,One\n")
    os.utime(read.folder / "a.csv", (1, 1))
    before = frozen_bytes(read)
    for refusing in (lambda: compare_files(planned(read)), lambda: read.extract("*.csv")):
        with pytest.raises(NotemillError, match=r"a\.csv, now: sha256 [0-9a-f]{64}") as refused:
            refusing()
        assert "read: sha256 " in refused.value.what
    assert frozen_bytes(read) == before


def test_files_that_were_moved_together_are_the_same(read: Source) -> None:
    moved = shutil.copytree(read.folder, read.folder.parent / "elsewhere")
    shutil.rmtree(read.folder)
    config = planned(read, str(moved / "*.csv"))
    check_cohorts(config)
    compare_files(config)
    assert check_files(config) == {}
    frozen = read_frozen(read.layout.frozen("c"))
    assert frozen
    assert frozen.files
    rows = read_again("c", config.cohorts["c"], frozen.files)
    assert [row.ids for row in rows] == [("1",), ("2",)]


def test_other_words_for_the_same_files_are_no_change(read: Source) -> None:
    named = [str(read.folder / name) for name in ("b.csv", "a.csv")]
    assert check_files(planned(read, named)) == {}


def test_a_cohort_whose_files_were_never_read_must_have_some(source: Source) -> None:
    with pytest.raises(NotemillError, match="no file of cohort 'c' is there"):
        check_files(planned(source))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id_columns": None}, "id_columns, now: file, line: the line's number"),
        ({"text_column": None}, "text_column, now: content of chat messages"),
        ({"text_column": "note"}, "text_column, now: note"),
    ],
)
def test_other_columns_are_refused(read: Source, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(NotemillError) as refused:
        check_cohorts(planned(read, **changes))
    assert told in refused.value.what


def test_a_query_in_the_place_of_files_is_refused(read: Source) -> None:
    cohort = {"query": "SELECT 1", "id_columns": ["id"], "text_column": "text", "shards": 2}
    with pytest.raises(NotemillError, match="another query") as refused:
        check_cohorts(config(results=str(read.layout.results), cohorts={"c": cohort}))
    assert "query, read: files, no query" in refused.value.what


def test_another_number_of_shards_needs_no_reading(read: Source) -> None:
    before = read.extract("*.csv")
    os.utime(read.folder / "a.csv", (1, 1))
    after = read.extract("*.csv", shards=5)
    assert (after.digest, after.files and after.files.files[0].modified_ns) == (
        before.digest,
        10**9,
    )


def test_shards_that_are_lost_come_from_the_files_again(read: Source) -> None:
    before = read.extract("*.csv")
    for path in read.layout.notes_folder("c", cut_name(2)).iterdir():
        path.unlink()
    assert read.extract("*.csv").shards == before.shards


def test_rows_that_come_again_of_another_file_end_in_an_error(read: Source) -> None:
    """Of the same size and time: only its bytes tell."""
    manifest = read.extract("*.csv")
    path: Path = read.folder / "b.csv"
    stat = path.stat()
    path.write_text("id,text\n2,Two\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(NotemillError, match=r"not those that it was read from: b\.csv"):
        read.again("*.csv", manifest)

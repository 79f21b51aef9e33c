"""A cohort that was extracted before, whole, in part, or by another job at this moment."""

from __future__ import annotations

import errno
import fcntl
import shutil
from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.locks import LockedFile
from notemill.paths import cut_name
from tests.unit.conftest import Clinic
from tests.unit.notes.shards import shards_of


def lose(clinic: Clinic, shard: str, shards: int = 3) -> Path:
    """Delete a notes shard."""
    path = clinic.layout.notes("chest", cut_name(shards), shard)
    path.unlink()
    return path


def everything(clinic: Clinic) -> dict[str, bytes]:
    """Each file below the results folder, with its bytes."""
    return {name: (clinic.layout.results / name).read_bytes() for name in clinic.left_behind()}


def test_a_cohort_that_is_whole_is_not_read_again(clinic: Clinic) -> None:
    clinic.fill((1, "one"), (2, "two"))
    first = clinic.extract()
    before = everything(clinic)
    clinic.fill((3, "three"))
    clinic.manifest().unlink()
    assert clinic.extract() == first
    assert everything(clinic) == before
    assert clinic.extract("second").counts.notes == 3


def test_a_lost_shard_comes_back_from_the_query(clinic: Clinic) -> None:
    clinic.fill(*((number, f"note {number}") for number in range(20)))
    clinic.extract()
    before = everything(clinic)
    lose(clinic, "0001")
    clinic.extract()
    assert everything(clinic) == before


@pytest.mark.parametrize("shards", [3, 4])
def test_what_no_longer_reads_the_same_is_refused_and_nothing_is_touched(
    clinic: Clinic, shards: int
) -> None:
    clinic.fill((1, "one"), (2, "two"))
    clinic.extract()
    lost = lose(clinic, "0001")
    clinic.run("UPDATE notes SET note = 'uno' WHERE visit = 1")
    before = everything(clinic)
    with pytest.raises(NotemillError, match="2 notes that are not the same") as refused:
        clinic.extract(shards=shards)
    assert str(lost) in refused.value.what
    assert "backup" in refused.value.remedy
    assert everything(clinic) == before
    # What the remedy says works: the shard brought back, or the cohort given up.
    clinic.run("UPDATE notes SET note = 'one' WHERE visit = 1")
    assert clinic.extract(shards=shards).counts.notes == 2
    clinic.fill((3, "three"))
    folders = refused.value.remedy.rpartition("rm -rf ")[2].split()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    assert str(clinic.layout.cohort("chest")) in folders
    assert clinic.extract(shards=shards).counts.notes == 3


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7, 0.95])
def test_a_damaged_shard_is_never_taken_for_whole(clinic: Clinic, place: float) -> None:
    clinic.fill(*((number, f"note {number} " * 40) for number in range(200)))
    first = clinic.extract()
    path = clinic.layout.notes("chest", cut_name(3), "0001")
    data = bytearray(path.read_bytes())
    at = int(len(data) * place)
    data[at : at + 8] = bytes(byte ^ 0x55 for byte in data[at : at + 8])
    path.write_bytes(data)
    assert clinic.extract(shards=5).digest == first.digest
    assert {note.ids[0] for shard in shards_of(clinic, shards=5) for note in shard} == set(
        range(200)
    )


def test_what_a_killed_extract_left_is_cleared(clinic: Clinic) -> None:
    clinic.fill((1, "one"))
    for left in (".aside/.spool-lost-1/0", ".aside/0000.parquet", "cut-0007/notes/0000.parquet"):
        path = clinic.layout.cohort("chest") / left
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("rest")
    clinic.extract()
    assert not [name for name in clinic.left_behind() if "cut-0003" not in name and name[-1] == "t"]


def test_two_extracts_of_one_cohort_do_not_meet(clinic: Clinic) -> None:
    clinic.fill((1, "one"))
    clinic.extract()
    other = LockedFile(clinic.layout.cohort("chest") / ".lock")
    with pytest.raises(NotemillError, match="another job is extracting cohort 'chest'"):
        clinic.extract()
    other.close()
    clinic.extract()


def test_without_locks_a_lost_extract_is_told_with_the_file_to_delete(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "")

    clinic.fill((1, "one"))
    clinic.extract()
    marker = clinic.layout.cohort("chest") / ".lock.lock"
    marker.write_text('{"host": "elsewhere", "process": 1}')
    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(fcntl, "lockf", refuse)
    with pytest.raises(NotemillError, match="another job is extracting cohort 'chest'") as refused:
        clinic.extract()
    assert f"delete {marker}" in refused.value.remedy
    marker.unlink()
    clinic.extract()

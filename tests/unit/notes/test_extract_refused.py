"""Extracts that end in one message and leave no file."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.job import answer_shards
from notemill.answers.shard_job import ShardJob
from notemill.errors import NotemillError
from notemill.files import write_text
from notemill.load.work import load_of
from notemill.notes.manifest import read_manifest
from notemill.plan.runs import plan_runs
from tests.disks import small_disk
from tests.unit.conftest import Clinic, config, write_task


def test_the_query_can_only_read(clinic: Clinic) -> None:
    clinic.fill((1, "x"))
    with pytest.raises(NotemillError):
        clinic.extract(query="DELETE FROM notes RETURNING visit, note")
    assert clinic.rows("SELECT count(*) FROM notes") == [(1,)]


@pytest.mark.parametrize(
    ("changes", "words", "remedy"),
    [
        ({"text_column": "text"}, "column 'text' is not in the result", "text_column"),
        ({"id_columns": ["visits"]}, "column 'visits' is not in the result", "id_columns"),
        (
            {"query": "SELECT visit, note, visit FROM notes"},
            "column 'visit' is twice in the result",
            "with AS",
        ),
        ({"query": "SELECT * FROM notes WHERE 0"}, "returned nothing", "correct it"),
        ({"query": "SELECT * FROM nots"}, "no such table: nots", "correct the query"),
        ({"query": "SELEC 1"}, "syntax error", "correct the query"),
        ({"query": "PRAGMA journal_size_limit = 1; SELECT 1"}, "one statement", "one SELECT"),
        ({"query": "BEGIN; COMMIT"}, "one statement", "one SELECT"),
        ({"query": "SAVEPOINT a"}, "gives no rows", "SELECT"),
        ({"query": "SELECT note AS visit, visit AS note FROM notes"}, "holds int", "cast it"),
        ({"query": "SELECT NULL AS visit, note FROM notes"}, "'visit' .* is NULL", "IS NOT NULL"),
        (
            {"query": "SELECT 1 AS visit, note FROM notes UNION ALL SELECT 'PRIVATE', 'x'"},
            "holds int on one row and str",
            "cast it",
        ),
        (
            {"query": "SELECT CAST(x'ff' AS TEXT) AS visit, note FROM notes"},
            "'visit' .* not UTF-8",
            "cast it",
        ),
    ],
)
def test_a_wrong_query_ends_in_one_message_and_no_file(
    clinic: Clinic, changes: dict[str, Any], words: str, remedy: str
) -> None:
    clinic.fill((1, "PRIVATE"))
    with pytest.raises(NotemillError, match=words) as refused:
        clinic.extract(**changes)
    assert remedy in refused.value.remedy
    assert refused.value.where
    assert "PRIVATE" not in str(refused.value)
    assert clinic.left_behind() == []


def test_ids_too_long_for_a_key_are_refused_before_the_cohort_is_frozen(clinic: Clinic) -> None:
    columns = "'a' AS a, 'b' AS b, 'c' AS c, 'd' AS d"  # undeclared lengths count as 255
    with pytest.raises(NotemillError, match="too long for a key") as refused:
        clinic.fill((1, "x"))
        clinic.extract(query=f"SELECT {columns}, note FROM notes", id_columns=list("abcd"))
    assert "CAST" in refused.value.remedy
    assert clinic.left_behind() == []


def test_a_database_that_is_none_is_named(clinic: Clinic) -> None:
    clinic.file.write_text("not a database" * 100)
    with pytest.raises(NotemillError, match="not a database") as refused:
        clinic.extract()
    assert str(clinic.file) in str(refused.value.where)
    assert clinic.left_behind() == []


@pytest.mark.parametrize("damage", ["{", "{}", ""])
def test_a_manifest_that_is_none_is_named(tmp_path: Path, damage: str) -> None:
    (tmp_path / "manifest.json").write_text(damage)
    with pytest.raises(NotemillError, match="no complete cohort manifest"):
        read_manifest(tmp_path / "manifest.json")
    with pytest.raises(NotemillError, match="no complete cohort manifest"):
        read_manifest(tmp_path / "absent.json")


def test_a_manifest_of_another_cohort_stops_an_answer_before_the_engine(clinic: Clinic) -> None:
    """Its rows would be loaded as the other cohort's."""
    clinic.fill((1, "one"))
    clinic.extract("other")
    write_task(clinic.folder / "tasks")
    planned = config(tasks=str(clinic.folder / "tasks"))
    (run,) = plan_runs(planned)
    cut = clinic.cut("other")
    job = ShardJob(run, clinic.layout, "chest", cut, "0000", clinic.folder / "engine.log", 1)
    write_text(job.manifest, clinic.manifest("other").read_text())
    with pytest.raises(NotemillError, match="manifest of cohort 'other', not of 'chest'"):
        answer_shards([job])
    assert load_of(run, "experiments", "other", clinic.manifest("other"), []).shards == []
    with pytest.raises(NotemillError, match="manifest of cohort 'other', not of 'chest'"):
        load_of(run, "experiments", "chest", clinic.manifest("other"), [])


def test_a_full_disk_leaves_nothing(clinic: Clinic) -> None:
    chance = random.Random(4)  # where it is full depends on the texts
    clinic.fill(*((number, chance.randbytes(2500).hex()) for number in range(20)))

    def extract() -> None:
        assert set(clinic.left_behind()) <= {".filler"}
        clinic.extract()

    with small_disk(clinic.layout.results, kib=512) as disk:
        places = disk.refusals(extract, 24_576)
        assert clinic.manifest().exists()
        place = clinic.layout.cohort("chest")
        assert str(place / ".aside" / "0001.parquet") in places
        assert all(where.startswith(str(place)) for where in places)


def test_an_unwritable_results_folder_is_named(clinic: Clinic) -> None:
    clinic.fill((1, "one"))
    clinic.layout = type(clinic.layout)(Path("/sys/notemill"))
    with pytest.raises(NotemillError, match="can't be written") as refused:
        clinic.extract()
    assert "`results`" in refused.value.remedy

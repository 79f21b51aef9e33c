"""notemill.answers.shard"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from notemill.answers.columns import AnswerColumn
from notemill.answers.outcome import Outcome
from notemill.answers.shard import (
    OUTCOME_FIELDS,
    ShardOrigin,
    read_answers,
    read_origin,
    write_answers,
)
from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.load.rows import read_rows
from notemill.notes.shard import Note, id_fields
from notemill.notes.text import read_text
from notemill.tasks.evidence import Evidence
from tests.unit.conftest import names_in

IDS = [IdColumn(name="visit", kind="integer")]
COLUMNS = [
    AnswerColumn("response", "llm_response", "text", 3),
    AnswerColumn("findings", "llm_findings", "json", None),
    AnswerColumn("age", "llm_age", "integer", None),
]
TIME = "2024-05-06T07:08:09+00:00"


def note(visit: int, text: str | None) -> Note:
    read = read_text(text)
    return Note((visit,), read.text, read.sha256, read.state, read.replaced)


def outcome(status: str = "answered", **changes: Any) -> Outcome:
    answer = {"response": "yes", "findings": ["caf\xe9"], "age": None}
    given: dict[str, Any] = {
        "status": status,
        "answer": answer if status == "answered" else None,
        "detail": "",
        "attempts": 2,
        "changes": "hint",
        "prompt_tokens": 20,
        "answer_tokens": 10,
        "seconds": 0.5,
        "engine": "small 1",
        "answered_at": TIME,
        "control_tokens": 3,
    }
    return Outcome(**given | changes)


def origin(notes: int) -> ShardOrigin:
    return ShardOrigin(
        cohort="chest",
        shard="0001",
        experiment="cough-123",
        notes_digest="n",
        model_digest="m",
        weights_sha256="w",
        notemill="0",
        notes=notes,
        texts=2,
        failed=1,
        asked=2,
        tokens=60,
        seconds=1.5,
        jobs=1,
    )


NOTES = [note(1, "one"), note(2, "two"), note(3, " "), note(4, None), note(5, "one")]
OUTCOMES = {
    read_text("one").sha256.hex(): outcome(),
    read_text("two").sha256.hex(): outcome("schema", detail="response: missing"),
}


def written(path: Path, notes: list[Note], count: int | None = None) -> list[dict[str, Any]]:
    said = origin(len(notes) if count is None else count)
    write_answers(path, iter(notes), OUTCOMES, IDS, COLUMNS, said)
    return [row for rows in read_answers(path, 2) for row in rows.to_pylist()]


def test_every_note_has_its_row_answered_or_not(tmp_path: Path) -> None:
    rows = written(tmp_path / "0001.parquet", NOTES)
    assert [(row["visit"], row["status"], row["llm_response"]) for row in rows] == [
        (1, "answered", "yes"),
        (2, "schema", None),
        (3, "blank", None),
        (4, "blank", None),
        (5, "answered", "yes"),
    ]


def test_a_row_says_how_it_came_to_be(tmp_path: Path) -> None:
    row = written(tmp_path / "0001.parquet", NOTES)[0]
    assert row.pop("answered_at").isoformat() == TIME
    assert row == {
        "visit": 1,
        "text_sha256": read_text("one").sha256.hex(),
        "status": "answered",
        "detail": "",
        "attempts": 2,
        "changes": "hint",
        "prompt_tokens": 20,
        "answer_tokens": 10,
        "control_tokens": 3,
        "seconds": 0.5,
        "engine": "small 1",
        "llm_response": "yes",
        "llm_findings": '["caf\xe9"]',
        "llm_age": None,
    }


def test_evidence_is_graded_for_each_answered_note_and_no_text_is_kept(tmp_path: Path) -> None:
    text = "No fever at home and a cough."
    notes = [note(1, text), note(2, "two"), note(3, " "), note(4, None), note(5, text)]
    answer = {"response": "yes", "findings": ["a cough", "no fever at home"], "age": None}
    outcomes = OUTCOMES | {read_text(text).sha256.hex(): outcome(answer=answer)}
    path = tmp_path / "0001.parquet"
    write_answers(path, iter(notes), outcomes, IDS, COLUMNS, origin(5), Evidence(field="findings"))
    rows = [row for rows in read_answers(path, 2) for row in rows.to_pylist()]
    columns = ("evidence_grade", "evidence_start", "evidence_end")
    graded = ("not_a_quote", 0, 16)
    nothing = (None, None, None)
    found = [tuple(row[name] for name in columns) for row in rows]
    assert found == [graded, nothing, nothing, nothing, graded]
    assert "text" not in rows[0]


def test_it_is_the_owners_alone(tmp_path: Path) -> None:
    written(tmp_path / "0001.parquet", NOTES)
    assert (tmp_path / "0001.parquet").stat().st_mode & 0o777 == 0o600


def test_a_shard_without_notes_is_a_shard(tmp_path: Path) -> None:
    assert written(tmp_path / "0001.parquet", []) == []
    assert read_origin(tmp_path / "0001.parquet").notes == 0


def test_the_origin_comes_back(tmp_path: Path) -> None:
    written(tmp_path / "0001.parquet", NOTES)
    assert read_origin(tmp_path / "0001.parquet") == origin(5)


@pytest.mark.parametrize("count", [4, 6])
def test_another_number_of_notes_than_the_manifests_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(NotemillError, match=f"holds 5 notes, its manifest says {count}"):
        written(tmp_path / "0001.parquet", NOTES, count)
    assert names_in(tmp_path) == []


def test_an_earlier_shard_stays_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "0001.parquet"
    written(path, NOTES)
    before = path.read_bytes()
    with pytest.raises(KeyError):  # a text without an outcome
        written(path, [*NOTES, note(6, "three")])
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["0001.parquet"]


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "0001.parquet"
    written(path, NOTES)
    whole = path.read_bytes()
    for length in [0, 4, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        for read in (read_origin, lambda path: list(read_answers(path, 10))):
            with pytest.raises(NotemillError, match="damaged or cut short") as refused:
                read(path)
            assert refused.value.where == str(path)
            assert "only failed notes" in refused.value.remedy


def test_no_bit_that_flips_in_a_value_goes_unseen(tmp_path: Path) -> None:
    """Type for type: a flip in the file's own description makes other types or names of them."""
    path = tmp_path / "0001.parquet"
    written(path, NOTES)
    before = as_loaded(path)
    whole = path.read_bytes()
    for bit in range(0, len(whole) * 8, 37):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            after = as_loaded(path)
        except NotemillError as refused:
            assert refused.where == str(path)
            continue
        if types_in(after) == types_in(before):
            assert repr(after) == repr(before), bit


def test_no_bit_that_flips_in_a_shards_origin_goes_unseen(tmp_path: Path) -> None:
    path = tmp_path / "0001.parquet"
    written(path, NOTES)
    whole = path.read_bytes()
    size = int.from_bytes(whole[-8:-4], "little")
    footer = range((len(whole) - 8 - size) * 8, len(whole) * 8)
    refused = 0
    for bit in random.Random(7).sample(footer, 500):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert read_origin(path) == origin(5), bit
        except NotemillError as error:
            refused += 1
            assert error.where == str(path)
    assert refused


def test_an_older_versions_shard_has_no_sum_and_is_read(tmp_path: Path) -> None:
    path = tmp_path / "0001.parquet"
    written(path, NOTES)
    table = pq.read_table(path)
    metadata = {b"notemill": table.schema.metadata[b"notemill"]}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    assert read_origin(path) == origin(5)


def as_loaded(path: Path) -> dict[str, list[Any]]:
    """The shard's columns as a load has them, which does not look at the name of a time's zone."""
    answers = [column.arrow for column in COLUMNS]
    batches = read_rows([path], pa.schema([*id_fields(IDS), *OUTCOME_FIELDS, *answers]))
    return next((batch.to_pydict() for batch in batches), {})  # a load counts the rows


def types_in(columns: dict[str, list[Any]]) -> list[list[type]]:
    return [list(map(type, values)) for values in columns.values()]


@pytest.mark.parametrize("metadata", [None, {b"notemill": b"{}"}, {b"notemill": b"\xff"}])
def test_a_file_of_another_program_is_named(
    tmp_path: Path, metadata: dict[bytes, bytes] | None
) -> None:
    table = pa.table({"visit": [1]}).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "0001.parquet")
    with pytest.raises(NotemillError, match="no result shard"):
        read_origin(tmp_path / "0001.parquet")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match="missing"):
        read_origin(tmp_path / "0001.parquet")

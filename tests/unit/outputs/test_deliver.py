"""Answers into files: every note once, in the source's order, each value as it was answered."""

from __future__ import annotations

import pyarrow.parquet as pq

from notemill.outputs.origin import Origin
from notemill.paths import origin_of_output
from tests.unit.conftest import names_in
from tests.unit.loads import ID
from tests.unit.outputs.conftest import ORDER, Files, csv_rows, json_rows, parquet_rows


def test_a_file_has_each_note_once_in_the_order_of_the_source(files: Files) -> None:
    report = files.deliver("a.parquet", "a.csv", "a.jsonl", "a.csv.gz", "a.jsonl.zst")
    rows = parquet_rows(files.file("a.parquet"))
    assert [row["visit"] for row in rows] == ORDER
    assert [row["status"] for row in rows] == [
        *("schema", "answered", "blank", "answered", "answered", "answered", "answered")
    ]
    assert [row["llm_reason"] for row in rows] == [
        *(None, "of =1+1", None, "of one", "of a;=b", "of one", "of - x\n-y")
    ]
    assert {row["experiment"] for row in rows} == {ID}
    assert [int(row["visit"]) for row in csv_rows(files.file("a.csv"))] == ORDER
    assert csv_rows(files.file("a.csv.gz")) == csv_rows(files.file("a.csv"))
    assert [row["visit"] for row in json_rows(files.file("a.jsonl"))] == ORDER
    assert (report.notes, report.answered, report.failed, report.blank) == (7, 5, 1, 1)
    assert report.results_table is None
    assert all(output.in_order for output in report.outputs)
    columns = len(pq.read_schema(files.file("a.parquet")).names)
    assert report.values_compared == 7 * (3 * columns + 2 * (columns + 1))


def test_all_forms_tell_the_same_values_and_all_columns_of_the_tables(files: Files) -> None:
    files.deliver("a.parquet", "a.csv", "a.jsonl", results_table="answers")
    of_tables = {
        name
        for table in ("answers", "answers_failures")
        for (name,) in files.clinic.rows(f"SELECT name FROM pragma_table_info('{table}')")
    }
    parquet = parquet_rows(files.file("a.parquet"))
    assert set(parquet[0]) == of_tables | {"status", "detail"}
    for row, line, cells in zip(
        parquet, json_rows(files.file("a.jsonl")), csv_rows(files.file("a.csv")), strict=True
    ):
        at = row.pop("answered_at")
        assert line.pop("answered_at") == at.isoformat()
        assert cells.pop("answered_at").startswith(at.strftime("%Y-%m-%dT%H:%M:%S"))
        assert line == row
        assert float(cells.pop("seconds")) == row.pop("seconds")
        told = {k: "" if v is None else str(v) for k, v in row.items()}
        assert {k: v.replace("'", "") for k, v in cells.items()} == told


def test_what_made_the_rows_stands_beside_the_file(files: Files) -> None:
    files.deliver("a.csv")
    assert names_in(files.file("")) == ["a.csv", "a.csv.origin.json"]
    told = Origin.model_validate_json(origin_of_output(files.file("a.csv")).read_bytes())
    assert told.made["system_prompt"] == "You read notes."
    assert told.made["model_digest"] == "m" * 64
    assert (told.made["notes"], told.made["answered"], told.rows) == (7, 5, 7)
    assert told.columns == list(csv_rows(files.file("a.csv"))[0])


def test_a_load_again_writes_nothing(files: Files) -> None:
    names = ["a.parquet", "a.csv", "a.jsonl.gz"]
    first = files.deliver(*names)
    stats = {name: files.file(name).stat() for name in names}
    again = files.deliver(*names)
    assert again.outputs == first.outputs
    for name, before in stats.items():
        now = files.file(name).stat()
        assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_files_are_readable_by_their_owner_alone(files: Files) -> None:
    files.deliver("a.csv")
    assert {path.stat().st_mode & 0o777 for path in files.file("").iterdir()} == {0o600}


def test_a_cohort_of_before_comes_in_the_order_of_its_ids(files: Files) -> None:
    for path in files.clinic.layout.notes_folder("chest", files.clinic.cut()).iterdir():
        table = pq.read_table(path)
        pq.write_table(table.drop_columns("notemill_row"), path)
    report = files.deliver("a.jsonl")
    assert [row["visit"] for row in json_rows(files.file("a.jsonl"))] == sorted(ORDER)
    assert not report.outputs[0].in_order
    # Another number of shards: the answers move, the order is still unknown.
    files.clinic.extract(shards=2)
    files.answer({"two": "schema"})
    assert not files.deliver("a.jsonl").outputs[0].in_order


def test_the_order_stays_when_a_cohort_is_cut_anew(files: Files) -> None:
    files.clinic.extract(shards=5)
    files.answer({"two": "schema"})
    files.deliver("a.jsonl")
    assert [row["visit"] for row in json_rows(files.file("a.jsonl"))] == ORDER

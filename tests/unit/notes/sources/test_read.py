"""notemill.notes.sources: files become notes, each row with its own values, none lost."""

from __future__ import annotations

import csv
import datetime
import gzip
import hashlib
import io
import json
import subprocess
import sys
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.notes.sources.broken import BrokenLines
from notemill.notes.sources.cells import csv_rows
from notemill.notes.sources.ids import Ids
from notemill.notes.sources.row import wanted_of
from notemill.notes.sources.stream import opened
from tests.unit.notes.sources.conftest import PACKED, Source, kinds

AWKWARD = 'says "no cough",\r\nand\n\nthen; \u00e9\u4e2d\U0001f600 \t '


def csv_of(*rows: tuple[str, ...], delimiter: str = ",") -> str:
    content = io.StringIO(newline="")
    csv.writer(content, delimiter=delimiter).writerows(rows)
    return content.getvalue()


def json_lines(*values: Any) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_keeps_every_character_of_ids_and_texts(
    source: Source, packed: str, delimiter: str
) -> None:
    rows = [("id", "other", "text"), ("007", "x", AWKWARD), ("7", "", ""), (" 7", "", "=1+1")]
    source.write(f"a.csv{packed}", csv_of(*rows, delimiter=delimiter))
    manifest = source.extract(f"a.csv{packed}")
    assert source.notes(manifest) == {("007",): AWKWARD, ("7",): "", (" 7",): "=1+1"}
    assert kinds(manifest.id_columns) == ["text"]
    assert (manifest.counts.rows, manifest.counts.notes, manifest.counts.blank) == (3, 3, 1)


@pytest.mark.parametrize("packed", PACKED)
def test_json_lines_keep_numbers_and_texts_as_they_are(source: Source, packed: str) -> None:
    lines = [
        {"id": 2**63 - 1, "text": AWKWARD},
        {"id": -5, "text": None, "other": [1, {"id": 7}]},
    ]
    source.write(f"a.jsonl{packed}", json_lines(*lines))
    manifest = source.extract(f"a.jsonl{packed}")
    assert source.notes(manifest) == {(2**63 - 1,): AWKWARD, (-5,): None}
    assert kinds(manifest.id_columns) == ["integer"]
    assert manifest.counts.null == 1


def test_ids_that_are_text_in_json_stay_text(source: Source) -> None:
    source.write("a.jsonl", json_lines({"id": "007", "text": "a"}, {"id": "7", "text": "b"}))
    assert source.read("a.jsonl") == {("007",): "a", ("7",): "b"}


PARQUET_IDS = [
    (pa.array([1, -2], pa.int16()), "integer", [1, -2]),
    (pa.array([1, 2**63 - 1], pa.uint64()), "integer", [1, 2**63 - 1]),
    (pa.array(["007", "7"]), "text", ["007", "7"]),
    (pa.array(["007", "7"], pa.string_view()), "text", ["007", "7"]),
    (pa.array(["a", "b"]).dictionary_encode(), "text", ["a", "b"]),
    (pa.array([b"\xff", b"\x00"]), "binary", [b"\xff", b"\x00"]),
    (pa.array([b"ab", b"cd"], pa.binary(2)), "binary", [b"ab", b"cd"]),
    (
        pa.array([Decimal("1.50"), Decimal("2.00")], pa.decimal128(9, 2)),
        "decimal",
        [Decimal("1.50"), Decimal("2.00")],
    ),
    (
        pa.array([datetime.date(2024, 2, 29), datetime.date(1899, 1, 1)]),
        "date",
        [datetime.date(2024, 2, 29), datetime.date(1899, 1, 1)],
    ),
    (
        pa.array([0, 1_000], pa.timestamp("ns")),
        "timestamp",
        [datetime.datetime(1970, 1, 1), datetime.datetime(1970, 1, 1, microsecond=1)],
    ),
    (
        pa.array([uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes], pa.uuid()),
        "text",
        [str(uuid.UUID(int=1)), str(uuid.UUID(int=2))],
    ),
]


@pytest.mark.parametrize(("ids", "kind", "values"), PARQUET_IDS)
def test_ids_of_parquet_keep_its_own_types(
    source: Source, ids: pa.Array, kind: str, values: list[Any]
) -> None:
    pq.write_table(pa.table({"id": ids, "text": ["a", "b"]}), source.folder / "a.parquet")
    manifest = source.extract("a.parquet")
    assert source.notes(manifest) == {(values[0],): "a", (values[1],): "b"}
    assert kinds(manifest.id_columns) == [kind]


@pytest.mark.parametrize("of", [pa.string(), pa.large_string(), pa.binary(), pa.string_view()])
def test_texts_of_parquet_are_read_whatever_holds_them(source: Source, of: pa.DataType) -> None:
    table = pa.table({"id": [1, 2, 3], "text": pa.array([AWKWARD, None, "x"], of)})
    pq.write_table(table, source.folder / "a.parquet", row_group_size=2)
    assert source.read("*.parquet") == {(1,): AWKWARD, (2,): None, (3,): "x"}


def test_chat_messages_are_named_by_their_line(source: Source) -> None:
    """As batch clients write them: a message, a list of them, a request around them."""
    user = {"role": "user", "content": "one"}
    system = {"role": "system", "content": "be brief"}
    body = {"custom_id": "x", "body": {"model": "m", "messages": [system, user]}}
    lines = json_lines(user, [system, {"role": "user", "content": "two"}], {"messages": [user]})
    source.write("a.jsonl", "\n" + lines + json_lines(body))
    manifest = source.extract("a.jsonl", id_columns=None, text_column=None)
    assert source.notes(manifest) == {(2,): "one", (3,): "two", (4,): "one", (5,): "one"}
    assert [column.name for column in manifest.id_columns] == ["line"]
    assert manifest.counts.texts == 2


def test_of_several_files_the_name_is_part_of_the_id(source: Source) -> None:
    """Then each is one note, also where only one file matches today."""
    for name in ("b/2.jsonl", "a/1.jsonl"):
        source.write(name, json_lines({"role": "user", "content": name}))
    found = source.extract("**/*.jsonl", id_columns=None, text_column=None)
    assert source.notes(found) == {("a/1.jsonl", 1): "a/1.jsonl", ("b/2.jsonl", 1): "b/2.jsonl"}
    assert [column.name for column in found.id_columns] == ["file", "line"]
    one = source.cohort("a/?.jsonl", id_columns=None)
    assert one.id_columns == ["file", "line"]
    assert source.cohort(["a/1.jsonl", "b/2.jsonl"], id_columns=None).id_columns[0] == "file"
    assert source.cohort("a/1.jsonl", id_columns=None).id_columns == ["line"]


def test_a_request_may_be_named_by_its_own_id(source: Source) -> None:
    message = {"role": "user", "content": "one"}
    source.write("a.jsonl", json_lines({"custom_id": "r-1", "body": {"messages": [message]}}))
    read = source.read("a.jsonl", id_columns=["custom_id"], text_column=None)
    assert read == {("r-1",): "one"}


def test_what_a_file_is_is_told_by_its_contents_or_its_name(source: Source) -> None:
    """Names that say nothing or too much, a byte order mark, frames one after another."""
    line = json_lines({"id": "1", "text": "a"}).encode()
    source.write("lines", b"\xef\xbb\xbf" + line)
    source.write("cells.txt", b"\xef\xbb\xbfid,text\r\n2,b\r\n")
    (source.folder / "packed").write_bytes(gzip.compress(b"id,text\n3,c\n") + gzip.compress(b"4,d"))
    source.write("plain.csv", "id,text\n5,e\n").rename(source.folder / "plain.csv.gz")
    pack = PACKED[".zst"]
    (source.folder / "frames.jsonl").write_bytes(pack(line.replace(b"1", b"6")) + pack(b""))
    read = source.read("*")
    assert read == {("1",): "a", ("2",): "b", ("3",): "c", ("4",): "d", ("5",): "e", ("6",): "a"}


def test_the_manifest_has_each_file_as_it_lies(source: Source) -> None:
    source.write("b.csv.gz", "id,text\n1,a\n2,b\n")
    source.write("a.jsonl", json_lines({"id": "3", "text": "c"}))
    pq.write_table(pa.table({"id": ["4"], "text": ["d"]}), source.folder / "c.parquet")
    manifest = source.extract(["*.gz", "*.jsonl", "*.parquet"])
    assert manifest.files
    told = {file.name: file for file in manifest.files.files}
    assert [*told] == ["a.jsonl", "b.csv.gz", "c.parquet"]
    assert [(file.format, file.rows) for file in told.values()] == [
        ("json", 1),
        ("csv", 2),
        ("parquet", 1),
    ]
    for name, file in told.items():
        path = source.folder / name
        assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (file.size, file.modified_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
        assert f"{file.sha256}  {name}" in manifest.source


def test_rows_come_again_in_their_order_with_all_that_they_have(source: Source) -> None:
    line = '{"id":  2, "text": "b", "x": 1.10, "y": "\\u00e9"}'
    source.write("b.jsonl", line + "\r\n\n" + json_lines({"id": 1, "text": "a"}))
    pq.write_table(pa.table({"id": [9], "z": [True], "text": ["c"]}), source.folder / "a.parquet")
    manifest = source.extract("*")
    rows = source.again("*", manifest)
    assert [(row.number, row.ids, row.text) for row in rows] == [
        (1, (9,), "c"),
        (1, (2,), "b"),
        (3, (1,), "a"),
    ]
    assert [row.whole for row in rows][:2] == [{"id": 9, "z": True, "text": "c"}, line]
    notes = source.notes(manifest)
    assert {row.ids: row.text for row in rows} == notes


def test_the_first_and_the_last_row_are_those_of_the_files_order(source: Source) -> None:
    source.write("b.csv", "id,text\n1,third\n1,fourth\n")
    source.write("a.csv", "id,text\n1,first\n1,second\n")
    assert source.read("*.csv", same_id_different_text="last") == {("1",): "fourth"}


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), max_size=8)] * 3),
        max_size=6,
    ),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_any_text_comes_out_of_a_csv_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], quoting: Any
) -> None:
    content = io.StringIO(newline="")
    writer = csv.writer(content, quoting=quoting)
    writer.writerow(["id", "other", "text"])
    writer.writerows((f"x{a}", b, c) for a, b, c in rows)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(content.getvalue().encode())
    cohort = Source(path.parent).cohort("a.csv")
    broken = BrokenLines("c")
    with opened(path) as file:
        found = [
            *csv_rows(file, wanted_of("c", cohort, "a", whole=False), Ids("c", ["id"]), broken)
        ]
    broken.refuse()
    assert [(row.ids[0], row.text) for row in found] == [(f"x{a}", c) for a, _, c in rows]


def test_a_plan_that_looks_at_files_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'pyarrow', 'sqlalchemy', 'pymysql', 'rich'}"
    code = f"import sys, notemill.notes.sources.changes; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_finest_times_and_columns_of_one_name_come_whole(source: Source) -> None:
    names = ["id", "text", "at", "x", "x"]
    columns = [pa.array([1]), pa.array(["one"]), pa.array([1], pa.time64("ns"))]
    table = pa.Table.from_arrays([*columns, pa.array([5]), pa.array([6])], names=names)
    pq.write_table(table, source.folder / "a.parquet")
    (row,) = source.again("a.parquet", source.extract("a.parquet"))
    assert row.whole == {"id": 1, "text": "one", "at": "00:00:00.000000001", "x": 5, "x_2": 6}


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_all_members_of_a_packed_file_are_read_empty_ones_too(source: Source, ending: str) -> None:
    pack = PACKED[ending]
    members = [b"", b"id,text\n1,o", b"ne\n", b"", b"2,two\n"]
    (source.folder / f"a.csv{ending}").write_bytes(b"".join(map(pack, members)))
    assert source.read(f"a.csv{ending}") == {("1",): "one", ("2",): "two"}


def test_ids_that_differ_by_a_blank_a_case_or_a_mark_are_apart(source: Source) -> None:
    ids = ["a", "A", "a ", "a\t", "a\0", " ", "\u2028", "\u00e9", "e\u0301"]
    lines = [json.dumps({"id": each, "text": "one"}, ensure_ascii=False) for each in ids]
    source.write("a.jsonl", "\n".join(lines))
    assert set(source.read("a.jsonl")) == {(each,) for each in ids}

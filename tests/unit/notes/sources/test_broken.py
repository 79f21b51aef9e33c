"""Files that can't be taken: one message, each line by file and number, nothing quoted or kept."""

from __future__ import annotations

import gzip
import json
import os
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from notemill.notes.sources import lines, stream
from tests.unit.notes.sources.conftest import PACKED, Source

GOOD = '{"id": 1, "text": "PRIVATE"}\n'


def test_three_broken_lines_of_ten_thousand_are_named(source: Source) -> None:
    content = [json.dumps({"id": number, "text": "PRIVATE"}) for number in range(10_000)]
    content[16] = content[16][:-3]
    content[5_000] = content[5_000].replace('"id"', '"ID"')
    content[9_999] = "[1, 2]"
    source.write("a.jsonl.gz", "\n".join(content))
    told = source.refusal("a.jsonl.gz")
    assert told.what.splitlines() == [
        "3 lines of the files of cohort 'c' can't be taken:",
        "    a.jsonl.gz, line 17: no JSON: Unterminated string starting at, at its character 20",
        "    a.jsonl.gz, line 5001: no id",
        "    a.jsonl.gz, line 10000: no object, {...}",
    ]
    assert told.where == "cohorts.c.files"


JSON_LINES = [
    (b'{"id": 1, "text": "\xff"}', "not UTF-8, at its byte 20"),
    (b'{"id": 1, "text": "\\ud800"}', "half of a surrogate pair"),
    (b'{"id": "\\udfff", "text": "a"}', "half of a surrogate pair"),
    (b'{"id": 1}', "no text"),
    (b'{"id": 1, "text": 7}', "its text is no text"),
    (b'{"id": null, "text": "a"}', "its id is empty"),
    (b'{"id": "", "text": "a"}', "its id is empty"),
    (b'{"id": 1.0, "text": "a"}', "its id is a number with a point or an exponent"),
    (b'{"id": 1e3, "text": "a"}', "its id is a number with a point or an exponent"),
    (b'{"id": true, "text": "a"}', "its id is true or false"),
    (b'{"id": [1], "text": "a"}', "its id is a list"),
    (b'{"id": 9223372036854775808, "text": "a"}', "beyond 64 bits"),
    (b'{"id": "1", "text": "a"}', "its id is text, and integer in the lines before"),
    (b'{"id": "' + b"x" * 256 + b'", "text": "a"}', "more than 255 characters"),
    (b'{"id": 1, "id": 2, "text": "a"}', "a key stands twice"),
    (b'{"id": 1, "text": "a", "x": NaN}', "NaN"),
    (b'{"id": 1, "text": "a"} {}', "no JSON: Extra data"),
    (b"[" * 100_000, "too deep"),
    (b'{"id": ' + b"1" * 5000 + b', "text": "a"}', "thousands of digits"),
]


@pytest.mark.parametrize(("line", "reason"), JSON_LINES, ids=[each for _, each in JSON_LINES])
def test_a_broken_line_of_json_says_why(source: Source, line: bytes, reason: str) -> None:
    source.write("a.jsonl", GOOD.encode() + line + b"\n" + GOOD.replace("1", "2").encode())
    told = source.refusal("a.jsonl").what.splitlines()
    assert len(told) == 2
    assert told[1].startswith("    a.jsonl, line 2: ")
    assert reason in told[1]


MESSAGES = [
    ("7", "no chat message"),
    ("[]", "an empty list"),
    ('{"text": "PRIVATE"}', "name text_column"),
    ('{"role": "user"}', "a message without content"),
    ('{"role": "user", "content": ["PRIVATE"]}', "its content is no text"),
    ('{"role": "PRIVATE", "content": "a"}', "a message of another role"),
    ('[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]', "of assistant"),
    ('[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]', "2 messages of the"),
    ('{"role": "system", "content": "a"}', "0 messages of the user"),
]


@pytest.mark.parametrize(("line", "reason"), MESSAGES)
def test_a_line_that_is_no_note_in_a_chat_message_says_why(
    source: Source, line: str, reason: str
) -> None:
    source.write("a.jsonl", line + "\n")
    told = source.refusal("a.jsonl", id_columns=None, text_column=None).what
    assert "a.jsonl, line 1: " in told
    assert reason in told


CSV_RECORDS = [
    (b"7,a,b", "3 cells, and the header has 2"),
    (b"7", "1 cells, and the header has 2"),
    (b",a", "its id is empty"),
    (b'7,"a"b', "no CSV: ',' expected after '\"'"),
    (b"7,\xe9", "not UTF-8, in line 5 at its byte 3"),
    (b'7,"a\n\n\xe9"', "not UTF-8, in line 7 at its byte 1"),
    (b"x" * 256 + b",a", "more than 255 characters"),
]


@pytest.mark.parametrize(("record", "reason"), CSV_RECORDS)
def test_a_broken_record_of_csv_is_named_by_the_line_it_begins_in(
    source: Source, record: bytes, reason: str
) -> None:
    source.write("a.csv", b'id,text\n1,"PRIVATE\nnote"\n\n' + record + b"\n8,after\n")
    told = source.refusal("a.csv").what.splitlines()
    assert len(told) == 2
    assert told[1].startswith("    a.csv, line 5: ")
    assert reason in told[1]


def test_a_quote_that_is_never_closed_ends_at_the_longest_record(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would take all that follows into memory."""
    for room in (lines, stream):
        monkeypatch.setattr(room, "MOST_BYTES", 1000)
    monkeypatch.setattr("notemill.notes.sources.cells.MOST_BYTES", 1000)
    source.write("a.csv", "id,text\n1,good\n" + '2,"' + "PRIVATE\n" * 1000)
    told = source.refusal("a.csv")
    assert "line 3 is longer" in told.what
    assert "a quote opened there" in told.remedy
    source.write("a.jsonl", GOOD + "[" + GOOD.strip() * 1000)
    assert "line 2 is longer" in source.refusal("a.jsonl").what


def test_a_quote_that_is_never_closed_is_named_in_a_short_file(source: Source) -> None:
    source.write("a.csv", 'id,text\n1,good\n2,"PRIVATE\n3,x\n')
    told = source.refusal("a.csv").what
    assert "a.csv, line 3: no CSV: unexpected end of data" in told


def test_a_list_of_broken_lines_is_bounded(source: Source) -> None:
    """A file of something else: it is not read to its end, and twenty lines are named."""
    source.write("a.jsonl", "PRIVATE\n" * 5000)
    told = source.refusal("a.jsonl").what.splitlines()
    assert told[0] == "1000 lines, and maybe more, of the files of cohort 'c' can't be taken:"
    assert (len(told), told[-1]) == (22, "    and 980 more")


def parquet(source: Source, **columns: Any) -> None:
    pq.write_table(pa.table({"id": [1], "text": ["PRIVATE"], **columns}), source.folder / "a.pq")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"id": pa.array([1.0])}, "can't name a note (double)"),
        ({"id": pa.array([True])}, "can't name a note (bool)"),
        ({"id": pa.array([0], pa.timestamp("us", tz="UTC"))}, "can't name a note (timestamp[us"),
        ({"id": pa.array([1], pa.timestamp("ns"))}, "finer than a microsecond"),
        ({"id": pa.array([2**63], pa.uint64())}, "beyond 64 bits"),
        ({"id": pa.array([None], pa.int64())}, "a.pq, row 1: its id is empty"),
        ({"text": pa.array([7])}, "holds int64, not text"),
        ({"text": pa.array([b"PRIVATE\xff"])}, "a.pq, row 1: its text is not UTF-8, at its byte 8"),
    ],
)
def test_a_parquet_that_holds_something_else_is_refused(
    source: Source, columns: dict[str, Any], words: str
) -> None:
    parquet(source, **columns)
    assert words in source.refusal("a.pq").what


@pytest.mark.parametrize("name", ["a.csv", "a.pq"])
def test_columns_that_are_not_there_are_told_with_those_that_are(source: Source, name: str) -> None:
    source.write("a.csv", "Id,text,x\n")
    parquet(source, x=[1])
    told = source.refusal(name, id_columns=["visit"])
    assert "no column visit" in told.what
    assert "text, x" in told.what
    assert "case count" in told.remedy


def test_a_column_that_is_there_twice_is_refused(source: Source) -> None:
    source.write("a.csv", "id,text,id\n1,a,2\n")
    assert "two columns id" in source.refusal("a.csv").what


def test_ids_of_two_kinds_are_refused_with_both_files(source: Source) -> None:
    parquet(source)
    source.write("b.csv", "id,text\n1,a\n")
    told = source.refusal("*").what
    assert "'id' of cohort 'c' is integer in a.pq and text in b.csv" in told


@pytest.mark.parametrize("name", ["a.csv", "a.pq"])
def test_only_lines_of_json_have_a_number_for_an_id(source: Source, name: str) -> None:
    parquet(source)
    source.write("a.csv", "id,text\n1,a\n")
    told = source.refusal(name, id_columns=None)
    assert "has no id_columns, and this file is no JSON lines" in told.what


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xlsx", b"PK\x03\x04...", "a workbook or an archive"),
        ("a.csv", "id,text\n1,a\n".encode("utf-16"), "is UTF-16"),
        ("a.parquet", b"id,text\n1,a\n", "no Parquet file"),
        ("a.parquet", b"PAR1 and then nothing", "damaged or cut short"),
        ("a.csv", b"", "no column id, text"),
        ("a.jsonl", b"\n\n", "have no notes"),
        ("a.csv", b"id,text\n", "have no notes"),
    ],
)
def test_a_file_that_is_something_else_is_refused(
    source: Source, name: str, content: bytes, words: str
) -> None:
    source.write(name, content)
    assert words in source.refusal(name).what


def test_a_parquet_within_gzip_is_refused(source: Source) -> None:
    parquet(source)
    source.write("b.parquet.gz", (source.folder / "a.pq").read_bytes())
    assert "unpack it" in source.refusal("b.parquet.gz").remedy


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("cut", [1, 200])
def test_a_packed_file_that_is_cut_short_is_refused(source: Source, ending: str, cut: int) -> None:
    content = "".join(f'{{"id": {number}, "text": "a{number}"}}\n' for number in range(3000))
    path = source.write(f"a.jsonl{ending}", content)
    path.write_bytes(PACKED[ending](content.encode())[:-cut])
    told = source.refusal(path.name)
    assert "damaged or cut short" in told.what
    assert told.where == str(path)


def test_a_packed_file_with_a_wrong_byte_is_refused(source: Source) -> None:
    packed = bytearray(gzip.compress(GOOD.encode()))
    packed[-6] ^= 1
    (source.folder / "a.gz").write_bytes(packed)
    assert "damaged" in source.refusal("a.gz").what


def test_paths_that_are_no_files_are_refused(source: Source) -> None:
    (source.folder / "below").mkdir()
    (source.folder / "link.csv").symlink_to("nothing")
    for name, words in (
        ("absent.csv", "no file of cohort 'c' is there"),
        ("*.parquet", "no file of cohort 'c' is there"),
        ("below", "this is a folder"),
        ("*.csv", "no file that can be read again"),
    ):
        assert words in source.refusal(name).what
    os.mkfifo(source.folder / "pipe.csv")
    assert "no file that can be read again" in source.refusal("pipe.csv").what


@pytest.mark.parametrize("depth", [201, 900])
def test_what_is_deeper_than_results_can_be_written_with_is_refused(
    source: Source, depth: int
) -> None:
    nested = "[" * (depth - 1) + "]" * (depth - 1)
    source.write("a.jsonl", f'{{"id": 1, "text": "one", "d": {nested}}}\n')
    assert "too deep: more than 200" in source.refusal("a.jsonl").what


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_that_comes_again_is_no_note(source: Source, mark: str) -> None:
    source.write("a.csv", f"\ufeffid,text\n1,one\n{mark}id,text\n2,PRIVATE\n")
    refused = source.refusal("a.csv")
    assert "a.csv, line 3: the header once more" in refused.what


@pytest.mark.parametrize("how", ["symlink", "hard link", "folder"])
def test_one_file_by_two_names_is_refused_and_by_two_patterns_read_once(
    source: Source, how: str
) -> None:
    path = source.write("d/a.jsonl", '{"role": "user", "content": "one"}\n')
    columns = {"id_columns": None, "text_column": None}
    if how == "symlink":
        (source.folder / "d" / "latest.jsonl").symlink_to(path)
    elif how == "hard link":
        (source.folder / "d" / "b.jsonl").hardlink_to(path)
    else:
        (source.folder / "d" / "loop").symlink_to(".")
    refused = source.refusal("**/*.jsonl", **columns)
    assert "are one, by a link: d/a.jsonl and" in refused.what
    patterns = ["d/a.jsonl", "d/../d/a.*", "*/a.jsonl"]
    assert source.read(patterns, **columns) == {("d/a.jsonl", 1): "one"}

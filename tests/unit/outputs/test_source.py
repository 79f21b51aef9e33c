"""What JSON lines keep of the source: other fields as they were written, to the last digit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.config import Cohort
from notemill.errors import NotemillError
from notemill.outputs.source import beside, joined, members
from tests.unit.conftest import Clinic, write_task
from tests.unit.outputs.conftest import FAILED, Files, json_rows

LINES = [
    '{"visit": 7, "note": "two", "dose": 1.50, "big": 12345678901234567890123, "e": 1E3}',
    '{"note": "=1+1", "visit": 3, "llm_response": "mine", "source_llm_response": [1, {"a": null}]}',
    '{"visit": 9, "note": null, "seconds": "\\ud83e\\ude7a\\u0041", "": {}}',
    '  {"visit":1,"note":"one","a":"b, \\"c\\": }"}  ',
    '{"visit": 7, "note": "two", "dose": 9}',
    '{"visit": 2, "note": "one", "experiment": false}',
]
ORDER = [7, 3, 9, 1, 2]


class FromFiles(Files):
    """Loads of a cohort that was read from JSON lines."""

    changes: dict[str, Any]

    def cohort(self) -> Cohort:
        return Cohort(**self.changes)


def files_of(
    clinic: Clinic, lines: list[str], file: str = "notes.jsonl", **changes: Any
) -> FromFiles:
    source = clinic.folder / file
    source.write_text("\n".join(lines) + "\n")
    files = FromFiles(clinic, write_task(clinic.folder / "tasks"))
    cohort = {"files": [source], "id_columns": ["visit"], "text_column": "note", "shards": 3}
    files.changes = {k: v for k, v in (cohort | changes).items() if v is not None}
    clinic.cohort = lambda **_: files.cohort()  # type: ignore[method-assign]
    clinic.extract()
    files.answer(FAILED)
    return files


def test_other_fields_come_as_they_were_written(clinic: Clinic) -> None:
    files = files_of(clinic, LINES)
    files.deliver("a.jsonl")
    rows = files.file("a.jsonl").read_text().split("\n")
    assert [row["visit"] for row in json_rows(files.file("a.jsonl"))] == ORDER
    assert '"dose": 1.50, "big": 12345678901234567890123, "e": 1E3}' in rows[0]
    assert '"source_source_llm_response": "mine", ' in rows[1]
    assert '"source_llm_response": [1, {"a": null}]}' in rows[1]
    assert '"source_seconds": "\\ud83e\\ude7a\\u0041", "": {}}' in rows[2]
    assert json.loads(rows[3])["a"] == 'b, "c": }'
    assert json.loads(rows[4])["source_experiment"] is False
    assert all('"note"' not in row for row in rows)
    # Again: nothing is written.
    before = files.file("a.jsonl").stat()
    files.deliver("a.jsonl")
    assert files.file("a.jsonl").stat().st_mtime_ns == before.st_mtime_ns


def test_chat_messages_are_named_by_their_line(clinic: Clinic) -> None:
    texts = ["one", "two", "one"]
    lines = [json.dumps({"role": "user", "content": text, "line": "mine"}) for text in texts]
    files = files_of(clinic, lines, id_columns=None, text_column=None)
    files.deliver("a.jsonl")
    rows = json_rows(files.file("a.jsonl"))
    assert [row["line"] for row in rows] == [1, 2, 3]
    assert [(row["role"], row["source_line"]) for row in rows] == [("user", "mine")] * 3
    assert [row["llm_reason"] for row in rows] == ["of one", None, "of one"]


@pytest.mark.parametrize(
    "change",
    [lambda lines: [*lines[:-1], lines[-1].replace("false", "true")], lambda lines: lines[:-1]],
)
def test_a_source_that_has_changed_since_gives_no_file(clinic: Clinic, change: Any) -> None:
    files = files_of(clinic, LINES)
    (clinic.folder / "notes.jsonl").write_text("\n".join(change(LINES)) + "\n")
    with pytest.raises(NotemillError, match=r"other|not those"):
        files.deliver("a.jsonl")
    assert not files.file("a.jsonl").exists()
    files.deliver("a.csv")  # which needs nothing of the source


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=5,
    ),
    st.sampled_from([None, 0, 2]),
)
def test_members_are_those_that_json_has(row: dict[str, Any], indent: int | None) -> None:
    line = json.dumps(row, indent=indent).replace("\n", "\r")
    found = members(line)
    assert {name: json.loads(value) for name, value in found.items()} == row
    assert json.loads(f"{{{joined(found)}}}") == row
    assert members(f"{{{joined(found)}}}") == found


@pytest.mark.parametrize(
    "line", ["", "{", "[]", '{"a"}', '{"a": 1,}', '{"a": 1} x', "{1: 2}", '{"a": 1 "b": 2}', "null"]
)
def test_what_is_no_object_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        members(line)


def test_values_of_tables_become_json() -> None:
    whole = {"id": 1, "x": float("nan"), "y": b"\x00\xff", "z": [float("inf"), {"a": (1, 2)}]}
    told = {k: json.loads(v) for k, v in beside(whole, {"id"}, {"y"}).items()}
    assert told == {"x": "nan", "source_y": "00ff", "z": ["inf", {"a": [1, 2]}]}


def test_every_shape_of_a_chat_message_leaves_its_text_out_and_keeps_the_rest(
    clinic: Clinic,
) -> None:
    message = {"role": "user", "content": "PRIVATE"}
    lines = [
        message | {"ward": 1, "body": "no message"},
        [message],
        {"messages": [message], "ward": 2, "content": "beside"},
        {"custom_id": "a", "body": {"messages": [message]}, "messages": 3},
    ]
    files = files_of(clinic, [*map(json.dumps, lines)], id_columns=None, text_column=None)
    files.deliver("a.jsonl")
    rows = json_rows(files.file("a.jsonl"))
    assert "PRIVATE" not in files.file("a.jsonl").read_text().replace("of PRIVATE", "")
    ours = rows[1].keys()
    assert [{name: row[name] for name in row.keys() - ours} for row in rows] == [
        {"role": "user", "ward": 1, "body": "no message"},
        {},
        {"ward": 2, "content": "beside"},
        {"custom_id": "a", "messages": 3},
    ]


def test_odd_names_and_ten_thousand_of_them_stay(clinic: Clinic) -> None:
    many = {f"f{number}": number for number in range(10_000)}
    names = '"\\ud800": "\\udfff", "\\u0000others": 1, "\u2028": "\u2028"'
    line = json.dumps({"visit": 1, "note": "one"} | many)[:-1] + f", {names}}}"
    files = files_of(clinic, [line])
    files.deliver("a.jsonl")
    content = files.file("a.jsonl").read_text()
    assert names in content
    (row,) = json_rows(files.file("a.jsonl"))
    assert many.items() <= row.items()
    assert row["\ud800"] == "\udfff"


def test_what_extract_takes_can_be_written_however_deep_it_is(clinic: Clinic) -> None:
    deep = "[" * 199 + '"]]{\\"["' + "]" * 199
    lines = [f'{{"visit": {n}, "note": "{note}", "d": {deep}}}' for n, note in enumerate("ab")]
    files = files_of(clinic, lines)
    files.deliver("a.jsonl")
    assert files.file("a.jsonl").read_text().count(f'"d": {deep}}}') == 2
    assert len(json_rows(files.file("a.jsonl"))) == 2


def test_columns_of_one_name_are_kept_apart(clinic: Clinic) -> None:
    files = files_of(clinic, ["visit,note,x,x_2,x,", "1,one,a,b,c,d"], file="notes.csv")
    files.deliver("a.jsonl")
    (row,) = json_rows(files.file("a.jsonl"))
    assert (row["x"], row["x_2"], row["x_3"], row[""]) == ("a", "b", "c", "d")

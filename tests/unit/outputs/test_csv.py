"""CSV: a spreadsheet program sees no formula, and every value can be had back."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.outputs.csv import guarded, unguarded
from tests.unit.outputs.conftest import FAILED, Files, csv_rows, parquet_rows

MANUAL = Path(__file__).parents[3] / "docs" / "outputs.md"

FORMULAS = [
    "=1+1",
    "+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    '"=1',
    "＝1",
    "a;=1",
    "a,=1",
    "a\n=1",
    'a;"=1',
    "'=1",
    "''=1",
]
HARMLESS = ["", "a", "it's", "'quoted'", "a-b", "5 = five", "1 + 1", "née @ 5", "'"]
SIGNS = "=+-@＝＋－＠"


def cells_anyhow(text: str) -> list[str]:
    """All cells that some program may make of one cell, whatever it takes for a separator."""
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerow(["1", text])
    line = "1," + written.getvalue().partition(",")[2].removesuffix("\r\n")
    found = [text]
    for separator in ",;\t|":
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            for each in line.replace("\r", "\n").split("\n"):
                for row in csv.reader([each], delimiter=separator, quoting=quoting):
                    found += row
    return found


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_begins_as_a_formula_whatever_the_separator_is(text: str) -> None:
    (told,) = guarded(pa.array([text])).to_pylist()
    assert told != text
    for cell in cells_anyhow(told):
        assert not cell.strip(' \t\r\n"').startswith(tuple(SIGNS)), (told, cell)
    assert unguarded(pa.array([told])).to_pylist() == [text]


@pytest.mark.parametrize("text", HARMLESS)
def test_a_text_that_is_no_formula_stays_as_it_is(text: str) -> None:
    assert guarded(pa.array([text])).to_pylist() == [text]


@given(st.lists(st.text(alphabet=st.sampled_from("a'\"=+-@;,|\t\r\n ＝é")), max_size=5))
def test_every_text_comes_back(texts: list[str]) -> None:
    told = guarded(pa.array(texts, pa.large_string()))
    assert unguarded(told).to_pylist() == texts
    for cell in told.to_pylist():
        for part in cells_anyhow(cell):
            assert not part.strip(' \t\r\n"').startswith(tuple(SIGNS))


def test_an_answer_with_everything_in_it_is_one_cell(files: Files) -> None:
    reason = "a \"b\", c\r\nd\n=cmd|' /C calc'!A0;é\u2028🩺\0"
    files.answer_to = lambda text, _: {"response": "yes", "reason": reason if text == "one" else ""}
    files.answer({"two": "schema"})
    files.deliver("a.csv", "a.parquet")
    told: list[Any] = [row["llm_reason"] for row in parquet_rows(files.file("a.parquet"))]
    assert told == [None, "", None, reason, "", reason, ""]
    content = files.file("a.csv").read_bytes().decode("utf-8-sig")
    cells = [row["llm_reason"] for row in csv.DictReader(io.StringIO(content, newline=""))]
    assert [cell.replace("\n'=", "\n=") for cell in cells] == [each or "" for each in told]
    # No answer, and one that is empty: apart, as Arrow and others read it.
    assert ',,,"cough"' in content
    assert ',"yes","","cough"' in content


def test_the_words_of_the_manual_give_every_text_back(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "|".join([*FORMULAS, "a, =b\n- c"])
    files.answer_to = lambda text, _: {"response": "yes", "reason": reason + text}
    files.answer(FAILED)
    files.deliver("answers.csv", "answers.parquet")
    (manual,) = re.findall(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    monkeypatch.chdir(files.file(""))
    known: dict[str, Any] = {}
    exec(manual, known)
    rows = parquet_rows(files.file("answers.parquet"))
    frame = known["frame"][["llm_reason"]].fillna("")
    assert [*frame["llm_reason"]] == [row["llm_reason"] or "" for row in rows]
    assert "=b" in "".join(frame["llm_reason"])


def test_the_file_says_that_it_is_utf_8(files: Files) -> None:
    files.deliver("a.csv")
    assert files.file("a.csv").read_bytes().startswith(b'\xef\xbb\xbf"visit","status",')
    assert len(csv_rows(files.file("a.csv"))) == 7

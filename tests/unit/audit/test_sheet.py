"""notemill.audit.sheet: what an XLSX file must not do to a note"""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from notemill.audit.sheet import Guide, Row, part_digest, parts_of, shown, write_sheet
from tests.unit.audit.auditing import rows_of

GUIDE = Guide("Reading", "response", ["Is it?"], ["yes", "no", "cannot tell"])


def back(path: Path, text: str) -> list[str]:
    """The parts of a note as they come out of the file."""
    write_sheet(path, GUIDE, [Row("BCDFGHJK", text)])
    return [unescape(row["note"] or "") for row in rows_of(path)]


@pytest.mark.parametrize(
    "text",
    [
        "=SUM(A1:A9)",
        "=cmd|' /C calc'!A0",
        "+49 30 1234",
        "-5 mmHg",
        "@home",
        "#N/A",
        "00123",
        "1/2",
        "TRUE",
        "a _x0041_ b",
        "\U0001f600 naïve",
        "a\ttab",
        "  lead and trail  ",
    ],
)
def test_a_note_stays_the_text_that_it_is(tmp_path: Path, text: str) -> None:
    assert back(tmp_path / "a.xlsx", text) == [text]
    cell = openpyxl.load_workbook(tmp_path / "a.xlsx")["notes"]["C2"]
    assert (cell.data_type, cell.number_format) == ("s", "@")


def test_what_xml_cannot_hold_is_shown_and_the_file_opens(tmp_path: Path) -> None:
    text = "a\x00b\x0bc\x1bd\x85e\ufffef\uffffg\r\nh\ri"
    assert back(tmp_path / "a.xlsx", text) == ["a␀b␋c␛d␦e\ufffdf\ufffdg\nh\ni"]


def test_a_note_longer_than_a_cell_holds_is_whole_in_several_rows(tmp_path: Path) -> None:
    for text in ("word " * 20_000, "x" * 100_000, "line\n" * 5_000, "\U0001f600" * 40_000):
        parts = back(tmp_path / "a.xlsx", text)
        assert "".join(parts) == text
        assert max(len(part.encode("utf-16-le")) // 2 for part in parts) <= 32_767
        rows = rows_of(tmp_path / "a.xlsx")
        assert [row["part"] for row in rows] == [
            f"{number} of {len(rows)}" for number in range(1, len(rows) + 1)
        ]


def test_every_row_is_high_enough_to_show_its_part(tmp_path: Path) -> None:
    """Excel shows 409 points of a row at most, and no more of the cell's text."""
    back(tmp_path / "a.xlsx", "word " * 5_000)
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["notes"]
    for row in range(2, sheet.max_row + 1):
        characters = len(sheet.cell(row, 3).value)
        height = sheet.row_dimensions[row].height
        assert characters / sheet.column_dimensions["C"].width * 15 <= height <= 409


@given(st.text(st.characters(codec="utf-8"), max_size=3000))
def test_the_parts_of_a_note_are_the_note(text: str) -> None:
    assert "".join(parts_of(text)) == shown(text)
    assert all(parts_of(text)) or not shown(text)


def test_white_space_that_a_program_changes_is_no_other_note() -> None:
    assert part_digest("a \r\n b\t\tc ") == part_digest("a b c")
    assert part_digest("38.4") != part_digest("38.9")
    assert part_digest("a _x005F_x0041_") == part_digest("a _x0041_")


def test_choices_of_any_writing_are_offered_as_they_are(tmp_path: Path) -> None:
    """A list within the validation's formula would end at a comma and at 255 characters."""
    choices = ['a, b; "c"', "=1+1", "x" * 300, "+", "cannot tell"]
    write_sheet(tmp_path / "a.xlsx", Guide("t", "f", [], choices), [Row("BCDFGHJK", "text")])
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert [row[0] for row in book["choices"].iter_rows(values_only=True)] == choices
    assert {cell.data_type for (cell,) in book["choices"].iter_rows()} == {"s"}


def test_no_file_of_another_reader_can_be_told_from_it(tmp_path: Path) -> None:
    """The same rows make the same file, whoever it is for and whenever it was made."""
    contents = []
    for name in ("ana", "ben"):
        write_sheet(tmp_path / f"{name}.xlsx", GUIDE, [Row("BCDFGHJK", "text")])
        contents.append((tmp_path / f"{name}.xlsx").read_bytes())
    assert contents[0] == contents[1]
    with ZipFile(tmp_path / "ana.xlsx") as file:
        assert {each.date_time[0] for each in file.infolist()} == {2000}
        assert file.read("docProps/core.xml").count(b">2000-01-01T00:00:00Z<") == 2

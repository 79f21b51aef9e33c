"""notemill.audit.returned and notemill.audit.readings, by the command: what comes back, or not"""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.audit.auditing import (
    ANSWER,
    NOTE,
    ROW,
    Auditing,
    edited,
    fill,
    of_ana,
    refused,
    rows_of,
    sets,
)
from tests.unit.audit.conftest import certain, says

LONG = [f"Note {number}: " + "sputum with blood, seen again. " * 300 for number in range(12)]


def test_a_row_that_is_missing_is_named(filled: Auditing) -> None:
    lost = rows_of(of_ana(filled))[4]["row"]
    edited(of_ana(filled), lambda sheet: sheet.delete_rows(6))
    assert f"row {lost} is missing" in refused(filled)
    assert "ana.xlsx" in filled.told


def test_a_row_that_was_added_is_named(filled: Auditing) -> None:
    edited(of_ana(filled), lambda sheet: sheet.append(["WXYZBCDF", "1 of 1", "More.", "yes"]))
    number = len(rows_of(of_ana(filled))) + 1
    assert f"row {number}: its id is none of this audit" in refused(filled)


def test_a_row_that_is_there_twice_is_named(filled: Auditing) -> None:
    twice = rows_of(of_ana(filled))[0]
    edited(of_ana(filled), lambda sheet: sheet.append(list(twice.values())))
    assert f"({twice['row']}): part 1 of 1 is there twice" in refused(filled)


def test_an_id_that_was_edited_is_named(filled: Auditing) -> None:
    before = rows_of(of_ana(filled))[0]["row"]
    for value in (before.lower(), before[:-1], "", None, 1e5, datetime(2026, 1, 1)):
        edited(of_ana(filled), sets(2, ROW, value))
        told = refused(filled)
        assert f"row {before} is missing" in told
        assert "row 2: it" in told


def test_ids_or_notes_that_were_sorted_alone_are_seen(filled: Auditing) -> None:
    """The disaster of spreadsheets: each row has an answer, to another note."""
    whole = of_ana(filled).read_bytes()
    for column in (ROW, NOTE):
        of_ana(filled).write_bytes(whole)

        def sort(sheet: Any, column: int = column) -> None:
            cells = [sheet.cell(row, column) for row in range(2, sheet.max_row + 1)]
            for cell, value in zip(cells, sorted(cell.value for cell in cells), strict=True):
                cell.value = value

        edited(of_ana(filled), sort)
        assert "beside this id stands another note" in refused(filled)


def test_rows_in_another_order_are_taken(filled: Auditing) -> None:
    def turn(sheet: Any) -> None:
        rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
        for number, values in enumerate(reversed(rows), start=2):
            for column, value in enumerate(values, start=1):
                sheet.cell(number, column).value = value

    edited(of_ana(filled), turn)
    filled.read()
    assert filled.folder().estimate.exists()


def test_an_answer_that_is_no_choice_is_named_and_not_quoted(filled: Auditing) -> None:
    row = rows_of(of_ana(filled))[0]["row"]
    habits: list[tuple[Any, str]] = [
        ("Yes", "is none of the choices, word for word"),
        ("yess", "is none of the choices, word for word"),
        ("not\u00a0said", "is none of the choices, word for word"),
        ("maybe sputum", "is none of the choices, word for word"),
        ("1.0", "is none of the choices, word for word"),
        (1, "was made a number or a truth value, which is none of the choices"),
        (True, "was made a number or a truth value, which is none of the choices"),
        (datetime(2026, 3, 1), "was made a date"),
    ]
    for value, why in habits:
        edited(of_ana(filled), sets(2, ANSWER, value))
        assert f"row 2 ({row}): its answer {why}" in refused(filled)
    edited(of_ana(filled), sets(2, ANSWER, "  yes \n"))
    filled.read()


def test_all_that_is_wrong_is_told_at_once(filled: Auditing) -> None:
    def spoil(sheet: Any) -> None:
        for row in range(2, 15):
            sheet.cell(row, ANSWER).value = "perhaps"

    edited(of_ana(filled), spoil)
    told = refused(filled)
    assert told.count("none of the choices") == 8
    assert "and 5 more" in told


def test_one_bad_sheet_takes_nothing_of_the_good_one(filled: Auditing) -> None:
    edited(filled.folder().sheet("ben"), sets(2, ANSWER, "perhaps"))
    assert "ben.xlsx" in refused(filled)
    edited(filled.folder().sheet("ben"), sets(2, ANSWER, "yes"))
    filled.read()
    assert filled.folder().readings.exists()


def test_two_sheets_of_one_reader_are_refused(filled: Auditing, tmp_path: Path) -> None:
    one, two = tmp_path / "one.xlsx", tmp_path / "two.xlsx"
    for path in (one, two):
        shutil.copy(of_ana(filled), path)
    told = refused(filled, one, two)
    assert "two sheets are of reader 'ana'" in told
    assert "one.xlsx" in told
    assert "two.xlsx" in told
    assert "two sheets are of reader 'ana'" in refused(filled, one)  # and the folder's own
    filled.read(of_ana(filled), of_ana(filled))  # the same file, named again


def test_a_sheet_of_another_audit_is_refused(filled: Auditing, tmp_path: Path) -> None:
    filled.draw("--texts", "40", "--seed", "4", "--name", "other")
    sheet = filled.fill("ana", certain, name="other")
    assert "no row of this sheet is of this audit" in refused(filled, sheet)


def test_rows_of_two_readers_in_one_sheet_are_refused(filled: Auditing) -> None:
    other = rows_of(filled.folder().sheet("ben"))[0]
    edited(of_ana(filled), lambda sheet: sheet.append(list(other.values())))
    told = refused(filled)
    assert "rows of 'ana' and of 'ben'" in told
    assert other["row"] in told


def test_what_a_reader_said_stands_once_it_was_taken(filled: Auditing, tmp_path: Path) -> None:
    filled.read()
    before = filled.folder().readings.read_bytes()
    fill(of_ana(filled), lambda _: "no")
    told = filled.refused("read")
    assert "this one says otherwise" in told
    assert str(filled.folder().readings) in told.replace("\n", "")
    assert filled.folder().readings.read_bytes() == before
    fill(of_ana(filled), certain)
    filled.read()


def test_the_adjudications_sheet_is_held_to_what_was_given_too(auditing: Auditing) -> None:
    auditing.draw("--texts", "60", "--shared", "1")
    auditing.fill("ana", certain)
    auditing.fill("ben", lambda text: "no" if says(text) == "yes" else certain(text))
    auditing.read()
    sheet = auditing.folder().adjudication
    fill(sheet, lambda _: "no")
    whole = sheet.read_bytes()
    lost = rows_of(sheet)[0]["row"]
    edited(sheet, lambda rows: rows.delete_rows(2))
    assert f"row {lost} is missing" in auditing.refused("read")
    sheet.write_bytes(whole)
    edited(sheet, sets(2, 5, "perhaps"))
    assert "none of the choices" in auditing.refused("read")
    assert not auditing.folder().estimate.exists()
    sheet.write_bytes(whole)
    fill(sheet, lambda _: "no", most=3)
    auditing.read()
    assert auditing.folder().estimate.exists()  # three were written over, the others stayed


def test_an_adjudication_before_all_have_read_is_refused(filled: Auditing, tmp_path: Path) -> None:
    fill(filled.folder().sheet("ben"), lambda _: "no")
    filled.read()
    sheet = tmp_path / "third.xlsx"
    shutil.move(filled.folder().adjudication, sheet)
    filled.folder().readings.unlink()
    edited(of_ana(filled), sets(2, ANSWER, None))
    assert "before all sheets are whole" in refused(filled, sheet)


@pytest.fixture
def long(tmp_path: Path) -> Auditing:
    """An audit of notes that take several rows each."""
    auditing = Auditing(tmp_path / "clinic", LONG, lambda _: "no")
    auditing.draw("--size", "no=all", readers="ana")
    return auditing


def test_a_note_of_several_rows_has_one_answer(long: Auditing) -> None:
    long.fill("ana", lambda _: "no")
    rows = rows_of(of_ana(long))
    parts = int(rows[0]["part"].split()[-1])
    assert parts > 1
    edited(of_ana(long), sets(2, ANSWER, "yes"))
    assert f"({rows[0]['row']}): its note has two answers" in refused(long)
    edited(of_ana(long), sets(1 + parts, ANSWER, None))  # in another of its rows is as good
    edited(of_ana(long), sets(3 + parts, NOTE, "Other words."))
    assert "stands another note" in refused(long)
    edited(of_ana(long), lambda sheet: sheet.delete_rows(3 + parts))
    assert f"row {rows[parts]['row']} lacks its part 2 of {parts}" in refused(long)


def test_what_is_no_sheet_is_refused_by_its_name(filled: Auditing, tmp_path: Path) -> None:
    (tmp_path / "a.docx").touch()
    assert "of no kind that a sheet comes back in" in refused(filled, tmp_path / "a.docx")
    (tmp_path / "old.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 100)  # a password
    assert "no XLSX file that can be read" in refused(filled, tmp_path / "old.xlsx")
    assert "without a password" in filled.told
    (tmp_path / "cut.xlsx").write_bytes(of_ana(filled).read_bytes()[:2000])
    assert "no XLSX file that can be read" in refused(filled, tmp_path / "cut.xlsx")
    assert "is not there" in refused(filled, tmp_path / "gone.xlsx")
    shutil.copy(of_ana(filled), tmp_path / "renamed.xlsx")
    edited(tmp_path / "renamed.xlsx", lambda sheet: setattr(sheet, "title", "Sheet1"))
    assert "has no sheet 'notes'" in refused(filled, tmp_path / "renamed.xlsx")
    shutil.copy(of_ana(filled), tmp_path / "headless.xlsx")
    edited(tmp_path / "headless.xlsx", lambda sheet: sheet.delete_rows(1))
    assert "lacks the columns row, part, note, answer" in refused(
        filled, tmp_path / "headless.xlsx"
    )
    (tmp_path / "a.json").write_text("{")
    assert "no JSON" in refused(filled, tmp_path / "a.json")
    (tmp_path / "a.json").write_text('[{"data": {"row": "x", "text": "y"}, "annotations": [3]}]')
    assert "annotations of task 1" in refused(filled, tmp_path / "a.json")
    assert "there is no audit 'third'" in filled.refused("read", "--name", "third")

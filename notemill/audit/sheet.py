"""A reader's sheet: an XLSX file that Excel and LibreOffice open, with notes and empty answers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill, Protection
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet
from openpyxl.writer.excel import ExcelWriter

from notemill.files import written_whole
from notemill.look.words import printed

NOTES, ROW, PART, NOTE, READINGS, ANSWER, COMMENT = (
    *("notes", "row", "part", "note", "readings", "answer", "comment"),
)
_WIDTHS = {ROW: 12, PART: 8, NOTE: 100, READINGS: 34, ANSWER: 34, COMMENT: 40}
_LINE = 92
"""Characters, at most, of a line in a cell as wide as the note's."""
_LINES = 25
"""Of a part: a row of Excel is 409 points high at most, and a cell holds 32,767 characters."""
_POINTS = 15.5
"""A line's height."""
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
"""What a spreadsheet program takes for a character's number."""
_MADE = datetime(2000, 1, 1)
"""All sheets' time: which was made first says nothing."""
_OPEN = Protection(locked=False)
_SOFT = PatternFill("solid", fgColor="FFF2CC")
_WRAPPED = Alignment(wrap_text=True, vertical="top")


@dataclass(frozen=True)
class Row:
    """A text in a sheet. readings: what readers said of it, in an adjudication's sheet."""

    row: str
    text: str
    readings: str = ""


@dataclass(frozen=True)
class Guide:
    """What a sheet tells its reader. words: of the task, as the model was told; choices: what can
    be said, `cannot tell` last."""

    title: str
    field: str
    words: Sequence[str]
    choices: Sequence[str]


def parts_of(text: str) -> list[str]:
    """A text in parts that a row can show whole, each some lines."""
    lines = list(_lines(shown(text)))
    return ["".join(lines[at : at + _LINES]) for at in range(0, len(lines), _LINES)]


def shown(text: str) -> str:
    """A text as a cell holds it: what XML can't hold is shown as a picture of it."""
    text = printed(text.replace("\r\n", "\n").replace("\r", "\n"))
    return text.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")


def part_digest(part: str) -> str:
    """What a part is known by when it comes back, however its white space was saved."""
    return hashlib.sha256(" ".join(part.replace("_x005F_", "_").split()).encode()).hexdigest()[:16]


def write_sheet(path: Path, guide: Guide, rows: Sequence[Row]) -> None:
    """Write the sheet, mode 0600."""
    book = Workbook()
    notes = book.active
    notes.title = NOTES
    _fill_notes(notes, guide, rows)
    _fill_guide(book.create_sheet("question"), guide)
    _fill_choices(book.create_sheet("choices"), guide)
    book.properties.creator = book.properties.lastModifiedBy = "notemill"
    book.properties.created = book.properties.modified = _MADE
    with written_whole(path) as partial:
        _save(book, partial)


def _save(book: Workbook, path: Path) -> None:
    """As `book.save` does, which would write the present time into the file and its members."""
    saved = BytesIO()
    ExcelWriter(book, ZipFile(saved, "w")).save()
    with ZipFile(saved) as timed, ZipFile(path, "w", ZIP_DEFLATED) as timeless:
        for name in timed.namelist():
            timeless.writestr(ZipInfo(name, _MADE.timetuple()[:6]), timed.read(name), ZIP_DEFLATED)


def _fill_notes(sheet: Worksheet, guide: Guide, rows: Sequence[Row]) -> None:
    names = [ROW, PART, NOTE, ANSWER, COMMENT]
    if any(row.readings for row in rows):
        names.insert(3, READINGS)
    for column, name in enumerate(names, start=1):
        _write(sheet, 1, column, name, font=Font(bold=True))
        sheet.column_dimensions[get_column_letter(column)].width = _WIDTHS[name]
    at = 1
    for row in rows:
        parts = parts_of(row.text)
        for number, part in enumerate(parts, start=1):
            at += 1
            values = {
                ROW: row.row,
                PART: f"{number} of {len(parts)}",
                NOTE: part,
                READINGS: row.readings if number == len(parts) else "",
            }
            for column, name in enumerate(names, start=1):
                last = name in (ANSWER, COMMENT) and number == len(parts)
                _write(sheet, at, column, values.get(name), writable=last)
            sheet.row_dimensions[at].height = min(409, _POINTS * (len(list(_lines(part))) + 1))
    answers = get_column_letter(names.index(ANSWER) + 1)
    choice = DataValidation(
        type="list",
        formula1=f"choices!$A$1:$A${len(guide.choices)}",
        allow_blank=True,
        showErrorMessage=True,
        errorTitle="none of the choices",
        error="Choose from the list.",
    )
    choice.add(f"{answers}2:{answers}{max(at, 2)}")
    sheet.add_data_validation(choice)
    sheet.freeze_panes = "A2"
    sheet.protection.sheet = True  # without a password: against accidents
    sheet.protection.formatColumns = sheet.protection.formatRows = False
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True


def _fill_guide(sheet: Worksheet, guide: Guide) -> None:
    told = [
        guide.title,
        f"For each note choose '{guide.field}' in the column '{ANSWER}', from its list; one answer "
        f"a note, in the row of its last part. '{guide.choices[-1]}' is an answer too. What you "
        f"want to say besides goes into '{COMMENT}'. Change nothing else, sort nothing, and save "
        "the file as XLSX.",
        "What was asked:",
        *guide.words,
    ]
    sheet.column_dimensions["A"].width = _WIDTHS[NOTE]
    at = 0
    for text in told:
        for part in parts_of(text):
            at += 1
            _write(sheet, at, 1, part)
            sheet.row_dimensions[at].height = min(409, _POINTS * (len(list(_lines(part))) + 1))


def _fill_choices(sheet: Worksheet, guide: Guide) -> None:
    sheet.column_dimensions["A"].width = _WIDTHS[NOTE]
    for at, choice in enumerate(guide.choices, start=1):
        _write(sheet, at, 1, choice)


def _write(
    sheet: Worksheet,
    row: int,
    column: int,
    text: str | None,
    *,
    writable: bool = False,
    font: Font | None = None,
) -> None:
    """Fill a cell with a text that stays one, whatever it begins with."""
    cell: Any = sheet.cell(row, column)
    if text:
        cell.value = _ESCAPE.sub("_x005F_", text)
        cell.data_type = "s"
    cell.number_format = "@"
    cell.alignment = _WRAPPED
    if font:
        cell.font = font
    if writable:
        cell.protection = _OPEN
        cell.fill = _SOFT


def _lines(text: str) -> Iterator[str]:
    """A text in lines as a cell shows them; together they are the text."""
    for line in text.splitlines(keepends=True) or [""]:
        while len(line.rstrip("\n")) > _LINE:
            cut = line.rfind(" ", 0, _LINE) + 1 or _LINE
            yield line[:cut]
            line = line[cut:]
        yield line

"""Sheets as they come back: XLSX as Excel or LibreOffice save it, CSV, Label Studio's export."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from notemill.audit.sheet import ANSWER, COMMENT, NOTE, NOTES, PART, ROW, parts_of
from notemill.errors import NotemillError
from notemill.files import explained

_NEEDED = (ROW, PART, NOTE, ANSWER)


@dataclass(frozen=True)
class Line:
    """A row of a sheet. place: where it stands, for an error; note: the part that stands in it.

    part: such as `1 of 2`. answer, comment: the cells, empty ones as None.
    """

    place: str
    row: str
    part: str
    note: str
    answer: Any
    comment: str


def read_sheet(path: Path) -> list[Line]:
    """The rows of a sheet that came back. Raises NotemillError for what is none."""
    kinds = {".xlsx": _xlsx, ".csv": _csv, ".json": _label_studio, ".jsonl": _lines}
    read = kinds.get(path.suffix.lower())
    if read is None:
        raise _no_sheet(path, "this file is of no kind that a sheet comes back in")
    if not path.is_file():
        raise NotemillError(
            "this sheet is not there",
            where=str(path),
            remedy="name the file that the reader sent back",
        )
    with explained(path):
        return list(read(path))


def _no_sheet(path: Path, what: str) -> NotemillError:
    return NotemillError(
        what,
        where=str(path),
        remedy="open the sheet that the reader filled and save it as XLSX, without a password; or "
        "as CSV in UTF-8, with its columns named in the first row",
    )


def _xlsx(path: Path) -> Iterator[Line]:
    content = io.BytesIO(path.read_bytes())
    try:
        book = load_workbook(content, data_only=True)
        if NOTES not in book.sheetnames:
            raise _no_sheet(path, f"this file has no sheet '{NOTES}'")
        rows = [
            [unescape(cell) if isinstance(cell, str) else cell for cell in row]
            for row in book[NOTES].iter_rows(values_only=True)
        ]
    except NotemillError:
        raise
    except Exception:  # a damaged file ends openpyxl in many ways: zlib's, TypeError and others
        raise _no_sheet(path, "this is no XLSX file that can be read") from None
    yield from _table(rows, path)


def _csv(path: Path) -> Iterator[Line]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _no_sheet(path, "this CSV is not in UTF-8") from None
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error:
        raise _no_sheet(path, "this is no CSV that can be read") from None
    yield from _table(rows, path)


def _table(rows: Sequence[Sequence[Any]], path: Path) -> Iterator[Line]:
    """The lines of a table whose first row has the columns' names."""
    head = [str(cell or "").strip().lower() for cell in (rows[0] if rows else [])]
    for name in (*_NEEDED, COMMENT):
        if head.count(name) > 1:
            raise _no_sheet(path, f"this sheet has the column '{name}' twice")
    if missing := [name for name in _NEEDED if name not in head]:
        raise _no_sheet(path, f"this sheet lacks the columns {', '.join(missing)}")
    for number, cells in enumerate(rows[1:], start=2):
        of = {name: _filled(cell) for name, cell in zip(head, cells, strict=False)}
        if any(of.get(name) is not None for name in (*_NEEDED, COMMENT)):
            yield Line(
                place=f"row {number}",
                row=str(of.get(ROW) or ""),
                part=str(of.get(PART) or ""),
                note=str(of.get(NOTE) or ""),
                answer=of.get(ANSWER),
                comment=str(of.get(COMMENT) or ""),
            )


def _filled(cell: Any) -> Any:
    """A cell's value, None where nothing is to be seen in it."""
    if isinstance(cell, str):
        return cell.strip() or None
    return cell


def _label_studio(path: Path) -> Iterator[Line]:
    """Label Studio's export: JSON with annotations, or JSON-MIN, a flat object a task."""
    try:
        tasks = json.loads(path.read_bytes())
    except ValueError:
        raise _no_sheet(path, "this is no JSON") from None
    if not isinstance(tasks, list):
        raise _no_sheet(path, "this is no export of Label Studio, which is a list of tasks")
    for number, task in enumerate(tasks, start=1):
        yield from _task(task, f"task {number}", path)


def _lines(path: Path) -> Iterator[Line]:
    """An object a line: `id`, `text`, `answer`, `comment`."""
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if line.strip():
            try:
                yield from _task(json.loads(line), f"line {number}", path)
            except ValueError:
                raise _no_sheet(path, f"line {number} is no JSON") from None


def _task(task: Any, place: str, path: Path) -> Iterator[Line]:
    data = task.get("data", task) if isinstance(task, dict) else None
    if not isinstance(data, dict):
        raise _no_sheet(path, f"{place} is no object with a text")
    row, text = str(data.get(ROW, data.get("id", ""))), str(data.get("text", ""))
    try:
        answers, comments = _annotated(task) if "annotations" in task else _flat(task)
    except (AttributeError, TypeError):
        raise _no_sheet(path, f"the annotations of {place} are none of Label Studio's") from None
    parts = parts_of(text)
    for number, part in enumerate(parts, start=1):
        last = number == len(parts)
        for answer in answers if last and answers else [None]:
            yield Line(
                place=place,
                row=row,
                part=f"{number} of {len(parts)}",
                note=part,
                answer=answer,
                comment="\n".join(comments) if last else "",
            )


def _flat(task: dict[str, Any]) -> tuple[list[Any], list[str]]:
    answer, comment = task.get(ANSWER), task.get(COMMENT)
    return [_filled(answer)], [comment] if isinstance(comment, str) else []


def _annotated(task: dict[str, Any]) -> tuple[list[Any], list[str]]:
    """Answers and comments of a task's annotations, skipped ones left out."""
    answers: list[Any] = []
    comments: list[str] = []
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            continue
        for result in annotation.get("result", []):
            value = result.get("value", {})
            if result.get("from_name") == ANSWER:
                answers += value.get("choices", [])
            elif result.get("from_name") == COMMENT:
                comments += value.get("text", [])
    return sorted(set(map(str, answers))), comments

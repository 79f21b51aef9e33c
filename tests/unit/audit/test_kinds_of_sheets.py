"""notemill.audit.returned, by the command: the kinds of files that sheets come back in"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.unit.audit.auditing import ANSWER, Auditing, edited, of_ana, refused, rows_of, sets
from tests.unit.audit.conftest import TEXTS, certain, says


def as_csv(path: Path, rows: list[dict[str, Any]], separator: str, encoding: str) -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), delimiter=separator, lineterminator="\r\n")
        table.writeheader()
        table.writerows(rows)
    return path


def test_a_sheet_saved_as_csv_is_taken_as_programs_save_it(tmp_path: Path) -> None:
    texts = [f"Note {number}: Müller, sputum;\r\n\tthen = 3, «x»." for number in range(30)]
    auditing = Auditing(tmp_path / "clinic", texts, says)
    auditing.draw("--texts", "20", readers="ana")
    auditing.fill("ana", certain)
    rows = rows_of(of_ana(auditing))
    of_ana(auditing).unlink()
    wrong = as_csv(tmp_path / "a.csv", rows, ";", "cp1252")
    assert "is not in UTF-8" in refused(auditing, wrong)
    for separator, encoding in ((";", "utf-8-sig"), (",", "utf-8"), ("\t", "utf-8")):
        path = as_csv(tmp_path / "a.csv", rows, separator, encoding)
        auditing.read(path)
        auditing.folder().readings.unlink()
        auditing.folder().estimate.unlink()


def test_label_studios_export_is_taken(filled: Auditing, tmp_path: Path) -> None:
    tasks = json.loads(filled.folder().label_studio("ana").read_text())
    for number, task in enumerate(tasks):
        choice = {
            "from_name": "answer",
            "to_name": "note",
            "type": "choices",
            "value": {"choices": [certain(task["data"]["text"])]},
        }
        comment = {"from_name": "comment", "type": "textarea", "value": {"text": ["unsure"]}}
        skipped = {"was_cancelled": True, "result": [choice | {"value": {"choices": ["no"]}}]}
        task["id"] = number
        task["annotations"] = [skipped, {"was_cancelled": False, "result": [choice, comment]}]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks))
    by_sheet = filled.read()
    before = json.loads(filled.folder().readings.read_text())
    for made in (filled.folder().readings, of_ana(filled), filled.folder().estimate):
        made.unlink()
    assert filled.read(path) == by_sheet
    after = json.loads(filled.folder().readings.read_text())
    assert after["readers"]["ana"]["answers"] == before["readers"]["ana"]["answers"]
    assert set(after["readers"]["ana"]["comments"].values()) == {"unsure"}


def test_a_workbook_that_was_damaged_on_its_way_is_refused(filled: Auditing) -> None:
    sheet = of_ana(filled)
    with ZipFile(sheet) as archive:
        rows = archive.getinfo("xl/worksheets/sheet1.xml")
    whole = sheet.read_bytes()
    begin = rows.header_offset + 30 + len(rows.filename)
    sheet.write_bytes(whole[:begin] + b"\xff" * 20 + whole[begin + 20 :])
    assert "this is no XLSX file that can be read" in refused(filled)
    sheet.write_bytes(whole[: len(whole) // 2])
    assert "this is no XLSX file that can be read" in refused(filled)


def test_two_annotations_that_differ_are_refused(filled: Auditing, tmp_path: Path) -> None:
    tasks = json.loads(filled.folder().label_studio("ana").read_text())
    for task in tasks:
        task["annotations"] = [
            {"result": [{"from_name": "answer", "value": {"choices": [word]}}]}
            for word in ("yes", "no")
        ]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    of_ana(filled).unlink()
    assert "it has two answers" in refused(filled, tmp_path / "export.json")


def test_json_lines_with_answers_are_taken(filled: Auditing, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in filled.folder().lines("ana").read_text().splitlines()]
    for line in lines:
        line["answer"] = certain(line["text"])
    path = tmp_path / "back.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    of_ana(filled).unlink()
    filled.read(path)
    assert filled.folder().estimate.exists()


NUMBERS = """
from typing import Literal, Optional

from pydantic import BaseModel


class Answer(BaseModel):
    response: Optional[Literal[0, 1, 2]]
    sure: bool
    reason: str
"""


@pytest.mark.parametrize(
    ("field", "label", "cells", "wrong"),
    [
        ("response", "1", ["1", 1, 1.0, " 1 "], ["1.0", "01", 1.5, True, 3]),
        ("sure", "true", ["true", True, "TRUE"], ["True", "wahr", 1, "1"]),
        ("response", "null", ["null"], ["None", "NULL"]),
    ],
)
def test_numbers_and_truth_values_come_back_as_programs_keep_them(
    tmp_path: Path,
    field: str,
    label: str,
    cells: list[Any],
    wrong: list[Any],
) -> None:
    values: dict[str, Any] = {"response": json.loads(label) if field == "response" else 2}
    values["sure"] = True
    auditing = Auditing(
        tmp_path / "clinic", TEXTS[:8], lambda _: "x", schema=NUMBERS, values=values
    )
    assert "2 fields that readers can choose a value of" in auditing.refused(
        "draw", "--readers", "ana"
    )
    auditing.draw("--field", field, "--size", f"{label}=all", readers="ana")
    assert [each.answer for each in auditing.design().strata] == [label]
    auditing.fill("ana", lambda _: label)
    sheet = of_ana(auditing)
    for cell in wrong:
        edited(sheet, sets(2, ANSWER, cell))
        assert "its answer" in refused(auditing)
    for cell in cells:
        edited(sheet, sets(2, ANSWER, cell))
        auditing.read()
        assert auditing.estimate().all.accuracy.value == 1.0
        auditing.folder().readings.unlink()
        auditing.folder().estimate.unlink()

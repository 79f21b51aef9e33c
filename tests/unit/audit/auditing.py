"""A finished run whose answers a test chooses, its audit, and readers who fill sheets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import openpyxl
import yaml

from notemill.__main__ import main
from notemill.audit.folder import Folder, folder_of, read_design
from notemill.audit.key import AuditKey, read_key
from notemill.audit.record import AuditDesign, AuditEstimate, read_estimate
from notemill.config import read_config
from notemill.plan.runs import plan_runs
from tests.unit.conftest import Clinic, config_values, write_task
from tests.unit.loads import Loads

SCHEMA = """
from typing import Literal

from pydantic import BaseModel


class Answer(BaseModel):
    response: Literal["yes", "no", "not said"]
    reason: str
"""

Says = Callable[[str], str]


class Auditing:
    """A clinic whose run is finished, and `notemill audit` over it.

    folder: of the clinic; one that is there has all but the sheets' readers. says: the model's
    answer to a text; a status such as `schema` where it has none. values: of further fields, or
    instead.
    """

    def __init__(
        self,
        folder: Path,
        texts: list[str],
        says: Says,
        *,
        schema: str = SCHEMA,
        values: dict[str, Any] | None = None,
    ) -> None:
        there = folder.exists()
        folder.mkdir(exist_ok=True)
        self.clinic, self.says, self.values = Clinic(folder), says, values or {}
        self.texts = {sha(text): text for text in texts}
        self.task = write_task(folder / "tasks", schema)
        values = config_values(
            results=str(self.clinic.layout.results), tasks=str(self.task.folder.parent)
        )
        self.file = folder / "my.yaml"
        self.file.write_text(yaml.safe_dump(values))
        if not there:
            self.clinic.fill(*enumerate(texts))
            self.clinic.extract()
            self.answer()

    def answer(self, reason: str = "") -> None:
        """Write all result shards."""
        asked = filter(str.strip, self.texts.values())
        failed = {text: said for text in asked if (said := self.says(text)) in _FAILED}
        loads = Loads(
            self.clinic,
            self.task,
            lambda text, _: {
                "response": self.says(text) if text.strip() else "no",
                "reason": reason or "because",
                **self.values,
            },
        )
        loads.answer(failed, experiment=self.id)

    @cached_property
    def id(self) -> str:
        """The experiment's, as it was first asked."""
        return self.id_now()

    def id_now(self) -> str:
        """The experiment's, as its task is now."""
        (run,) = plan_runs(read_config(yaml.safe_load(self.file.read_text())))
        return run.experiment_id

    def run(self, step: str, *arguments: str | Path, experiment: str = "cough") -> int:
        """The exit status; what is printed goes to `told`, and never has a word of a note."""
        where = ["--configfile", str(self.file)]
        told = StringIO()
        with redirect_stdout(told), redirect_stderr(told):
            status = main(["audit", step, "chest", experiment, *map(str, arguments), *where])
        self.told = told.getvalue()
        assert "sputum" not in self.told
        return status

    def draw(self, *arguments: str, readers: str = "ana,ben") -> None:
        """The same texts each time, so that an estimate's chance is the same too."""
        seed = [] if "--seed" in arguments else ["--seed", "7"]
        assert self.run("draw", "--readers", readers, *seed, *arguments) == 0, self.told

    def read(self, *sheets: Path, name: str = "audit") -> str:
        assert self.run("read", *sheets, "--name", name) == 0, self.told
        return self.told

    def refused(self, step: str, *arguments: str | Path, experiment: str = "cough") -> str:
        assert self.run(step, *arguments, experiment=experiment) == 1, self.told
        assert "what to do: " in self.told
        return self.told

    def folder(self, name: str = "audit") -> Folder:
        return folder_of(self.clinic.layout, "chest", self.id, name)

    def design(self, name: str = "audit") -> AuditDesign:
        return read_design(self.folder(name))

    def key(self, name: str = "audit") -> AuditKey:
        return read_key(self.folder(name).key)

    def estimate(self, name: str = "audit") -> AuditEstimate:
        return read_estimate(self.folder(name).estimate)

    def fill(
        self, reader: str, says: Says, *, name: str = "audit", most: int | None = None
    ) -> Path:
        """A reader fills the sheet in the audit's folder, at most so many notes of it."""
        path = self.folder(name).sheet(reader)
        fill(path, says, most=most)
        return path


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_FAILED = ("schema", "truncated")


def edited(path: Path, edit: Callable[[Any], None], out: Path | None = None) -> Path:
    """A sheet after someone has changed its rows with a spreadsheet program."""
    book = openpyxl.load_workbook(path)
    edit(book["notes"])
    book.save(out or path)
    return out or path


def fill(path: Path, says: Says, *, most: int | None = None) -> None:
    """Answer the notes of a sheet, in the row of their last part, by their whole text."""

    def answers(sheet: Any) -> None:
        head = {cell.value: cell.column for cell in sheet[1]}
        text, done = "", 0
        for row in range(2, sheet.max_row + 1):
            text += sheet.cell(row, head["note"]).value or ""
            number, _, last = sheet.cell(row, head["part"]).value.partition(" of ")
            if number == last:
                if most is None or done < most:
                    sheet.cell(row, head["answer"]).value = says(text)
                text, done = "", done + 1

    edited(path, answers)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """A sheet's rows, by the names of its columns."""
    rows = list(openpyxl.load_workbook(path)["notes"].iter_rows(values_only=True))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def of_ana(auditing: Auditing) -> Path:
    return auditing.folder().sheet("ana")


def refused(auditing: Auditing, *sheets: Path) -> str:
    """What `audit read` refuses, after which nothing was taken."""
    told = auditing.refused("read", *sheets)
    for path in (auditing.folder().readings, auditing.folder().estimate):
        assert not path.exists()
    return told


def sets(row: int, column: int, value: Any) -> Callable[[Any], None]:
    def edit(sheet: Any) -> None:
        sheet.cell(row, column).value = value

    return edit


ROW, PART, NOTE, ANSWER = 1, 2, 3, 4

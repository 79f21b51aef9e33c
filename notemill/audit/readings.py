"""What a reader said of each text, held to what the reader was given; and kept once it is whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from notemill.audit.key import AuditKey, KeyText
from notemill.audit.labels import meant
from notemill.audit.record import AuditDesign
from notemill.audit.returned import Line, read_sheet
from notemill.audit.sheet import part_digest
from notemill.errors import NotemillError
from notemill.files import Record, read_json, sha256_of_file

_PROBLEMS_TOLD = 8


class Reading(BaseModel):
    """A whole sheet. answers, comments: by the text's hash; sheet_sha256: of the file."""

    model_config = ConfigDict(frozen=True)

    answers: dict[str, str]
    comments: dict[str, str]
    sheet_sha256: str
    taken_at: str


class Readings(Record):
    """Whole sheets by reader, the adjudication's too. Private: comments may quote notes."""

    readers: dict[str, Reading]


@dataclass(frozen=True)
class Returned:
    """A sheet that came back. answers: by the text's hash, of those that have one."""

    path: Path
    reader: str
    texts: int
    answers: dict[str, str]
    comments: dict[str, str]

    @property
    def whole(self) -> bool:
        """Whether every text has an answer."""
        return len(self.answers) == self.texts

    def reading(self, at: str) -> Reading:
        """The sheet as it is kept."""
        digest = sha256_of_file(self.path)
        return Reading(
            answers=self.answers, comments=self.comments, sheet_sha256=digest, taken_at=at
        )


def read_readings(path: Path) -> Readings:
    """Whole sheets that were taken, none before the first. Raises NotemillError."""
    if not path.exists():
        return Readings(readers={})
    return read_json(
        Readings,
        path,
        problem="this file should have what the readers said, and does not",
        remedy="remove it, and read the sheets again",
    )


@dataclass(frozen=True)
class Sheet:
    """A file that came back, and whose it is by its rows."""

    path: Path
    reader: str
    lines: Sequence[Line]


def opened(path: Path, key: AuditKey) -> Sheet:
    """A sheet of this audit. Raises NotemillError for one of another, or of two readers."""
    lines = read_sheet(path)
    return Sheet(path, _reader(lines, key, path), lines)


def held(sheet: Sheet, design: AuditDesign, key: AuditKey, expected: Sequence[KeyText]) -> Returned:
    """A sheet, held to the texts that its reader was given.

    Raises NotemillError that names the rows that don't belong, are missing, or say what is no
    choice.
    """
    by_id = {text.rows[sheet.reader]: text for text in expected}
    problems = _Problems(sheet.path)
    by_row = _by_row(sheet.lines, by_id, key, problems)
    labels = [*design.choices, design.cannot_tell]
    answers, comments = {}, {}
    for row, text in by_id.items():
        its = by_row.get(row, [])
        problems.add(_parts_problem(row, its, text))
        said = {_answer(line, labels, problems) for line in its} - {None}
        if len(said) > 1:
            problems.add(f"{its[0].place} ({row}): its note has two answers")
        for word in filter(None, said):
            answers[text.text_sha256] = word
        comment = "\n".join(dict.fromkeys(line.comment for line in its if line.comment))
        if comment:
            comments[text.text_sha256] = comment
    problems.raise_any()
    return Returned(sheet.path, sheet.reader, len(by_id), answers, comments)


def refuse_twice(sheets: Sequence[Returned]) -> None:
    """Raise NotemillError where two sheets are of one reader."""
    by_reader: dict[str, Path] = {}
    for sheet in sheets:
        if other := by_reader.get(sheet.reader):
            raise NotemillError(
                f"two sheets are of reader '{sheet.reader}'",
                where=f"{other}, {sheet.path}",
                remedy="name the one that counts",
            )
        by_reader[sheet.reader] = sheet.path


def refuse_changed(sheet: Returned, taken: Reading, readings: Path) -> None:
    """Raise NotemillError where a sheet says otherwise than what was taken; an empty one may."""
    if sheet.answers == taken.answers or not sheet.answers:
        return
    other = sum(sheet.answers.get(text) != said for text, said in taken.answers.items())
    raise NotemillError(
        f"the sheet of '{sheet.reader}' was taken at {taken.taken_at}, and this one says "
        f"otherwise of {other} texts: what a reader said before others were heard stands",
        where=str(sheet.path),
        remedy=f"leave this sheet out; if the first one was taken by mistake, remove {readings} "
        "and what came of it (adjudication.xlsx, estimate.json) and read all sheets again",
    )


class _Problems:
    """What is wrong with a sheet, told at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: list[str] = []

    def add(self, problem: str | None) -> None:
        if problem:
            self._told.append(problem)

    def raise_any(self) -> None:
        if not self._told:
            return
        more = len(self._told) - _PROBLEMS_TOLD
        told = self._told[:_PROBLEMS_TOLD] + ([f"and {more} more"] if more > 0 else [])
        raise NotemillError(
            "this sheet does not come back as it was given:\n"
            + "\n".join(f"    {problem}" for problem in told),
            where=str(self._path),
            remedy="correct these rows in the sheet, or copy the answers into the sheet as it was "
            "given; nothing of this sheet was taken",
        )


def _reader(lines: Sequence[Line], key: AuditKey, path: Path) -> str:
    """Whose rows these are."""
    whose = key.whose()
    readers = [whose[line.row][0] for line in lines if line.row in whose]
    if not readers:
        raise NotemillError(
            "no row of this sheet is of this audit",
            where=str(path),
            remedy="name the audit that it is of with --name, or the right sheet",
        )
    first = readers[0]
    if other := next((reader for reader in readers if reader != first), None):
        line = next(line for line in lines if line.row in whose and whose[line.row][0] == other)
        raise NotemillError(
            f"this sheet has rows of '{first}' and of '{other}': {line.place} ({line.row}) is of "
            f"'{other}'",
            where=str(path),
            remedy="keep each reader's rows in the reader's own sheet",
        )
    return first


def _by_row(
    lines: Sequence[Line], expected: dict[str, KeyText], key: AuditKey, problems: _Problems
) -> dict[str, list[Line]]:
    by_row: dict[str, list[Line]] = defaultdict(list)
    known = key.whose()
    for line in lines:
        if line.row in expected:
            by_row[line.row].append(line)
        elif line.row in known:
            problems.add(f"{line.place} ({line.row}): this text is settled, and not asked here")
        elif line.row:
            problems.add(f"{line.place}: its id is none of this audit: added, or edited")
        else:
            problems.add(f"{line.place}: it has no id")
    return by_row


def _parts_problem(row: str, lines: Sequence[Line], text: KeyText) -> str | None:
    """What is wrong with the rows of a text: each part once, with the words it had."""
    if not lines:
        return f"row {row} is missing"
    parts = [f"{number} of {len(text.parts)}" for number in range(1, len(text.parts) + 1)]
    seen: set[tuple[str, str]] = set()
    for line in lines:
        if line.part not in parts:
            return f"{line.place} ({row}): its part is none of {', '.join(parts)}"
        if (line.part, line.place) in seen:
            return f"{line.place} ({row}): it has two answers"
        if line.part in {part for part, _ in seen}:
            return f"{line.place} ({row}): part {line.part} is there twice"
        if part_digest(line.note) != text.parts[parts.index(line.part)]:
            return f"{line.place} ({row}): beside this id stands another note than was given"
        seen.add((line.part, line.place))
    if missing := [part for part in parts if part not in {line.part for line in lines}]:
        return f"row {row} lacks its part {missing[0]}"
    return None


def _answer(line: Line, labels: Sequence[str], problems: _Problems) -> str | None:
    if line.answer is None:
        return None
    label = meant(line.answer, labels)
    if label is None:
        problems.add(f"{line.place} ({line.row}): {_no_choice(line.answer)}")
    return label


def _no_choice(cell: object) -> str:
    """What is wrong with an answer, without its words."""
    if isinstance(cell, date | time):
        return "its answer was made a date"
    if isinstance(cell, bool | int | float):
        return "its answer was made a number or a truth value, which is none of the choices"
    return "its answer is none of the choices, word for word"

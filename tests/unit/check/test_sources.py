"""`notemill check` on cohorts of files."""

from __future__ import annotations

import json
import os

import pytest

from notemill.answers.recut import JournaledAnswers
from notemill.notes.extract import extract
from tests.unit.check.conftest import Checked, files, one


@pytest.fixture
def filed(checked: Checked) -> Checked:
    """The project with files in the place of its query."""
    folder = checked.folder / "notes"
    folder.mkdir()
    (folder / "a.csv").write_text("visit,note\n007,PRIVATE\n")
    (folder / "b.csv").write_text("visit,note\n008,PRIVATE\n")
    del checked.cohort["query"]
    checked.cohort["files"] = str(folder / "*.csv")
    return checked


def extracted(checked: Checked) -> None:
    layout = checked.clinic.layout
    cohort = checked.config.cohorts["chest"]
    extract(None, "chest", cohort, layout, JournaledAnswers(layout, "chest"))


def test_the_first_rows_of_new_files_tell_what_they_are(filed: Checked) -> None:
    before = files(filed.folder)
    found = filed.found()
    told = one(found, "cohort chest: 2 files")
    assert told["level"] == "ok"
    assert told["details"] == [
        "a.csv: CSV",
        "b.csv: CSV",
        "visit: id, text",
        "note: the note's text",
    ]
    assert "PRIVATE" not in json.dumps(found)
    # The tables are planned with the types that the files have.
    assert any("visit VARCHAR(255)" in line for line in one(found, "table r")["details"])
    assert files(filed.folder).keys() - {filed.folder / "my.yaml"} == before.keys()


def test_a_broken_first_line_and_a_missing_file_are_refused(filed: Checked) -> None:
    (filed.folder / "notes" / "b.csv").write_text("visit,note\n008\n")
    told = one(filed.found(), "b.csv, line 2: 1 cells")
    assert (filed.status, told["level"]) == (1, "refusal")
    filed.cohort["files"] = str(filed.folder / "absent.csv")
    assert one(filed.found(), "no file of cohort 'chest' is there")["level"] == "refusal"


def test_files_that_were_read_are_compared(filed: Checked) -> None:
    extracted(filed)
    assert one(filed.found(), "those that it was read from, by size and time")["level"] == "ok"
    path = filed.folder / "notes" / "a.csv"
    os.utime(path, (1, 1))
    before = filed.clinic.layout.frozen("chest").read_bytes()
    assert one(filed.found(), "by what is in them too")["level"] == "ok"
    assert filed.clinic.layout.frozen("chest").read_bytes() == before
    path.write_text("visit,note\n007,private\n")
    told = one(filed.found(), "not those that it was read from")
    assert (told["level"], "now: sha256" in told["what"]) == ("refusal", True)
    path.unlink()
    assert "now: not there" in one(filed.found(), "not those that it was read from")["what"]


def test_a_database_is_not_asked_for_the_notes_of_files(filed: Checked) -> None:
    found = filed.found("--database")
    assert one(found, "connected to")["level"] == "ok"
    assert not [each for each in found if each["level"] == "refusal"]

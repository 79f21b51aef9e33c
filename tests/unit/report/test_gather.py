"""notemill.report.gather: result shards as jobs write them, and what a report tells of them."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from notemill.answers.columns import AnswerColumn
from notemill.answers.journal_lines import Spent
from notemill.answers.live_file import LiveFile
from notemill.config import Config, read_config
from notemill.errors import NotemillError
from notemill.paths import live
from notemill.report.count import Count, exactly
from notemill.report.gather import gather, refuse_unfinished
from notemill.report.record import Answered, Report
from notemill.report.tally import FieldTally
from notemill.report.told import field_told
from notemill.report.write import write_report
from notemill.tasks.run import Run
from tests.unit.conftest import Clinic, config_values, write_task
from tests.unit.loads import ID, Loads

SCHEMA = """
from typing import Literal

from pydantic import BaseModel, Field


class Answer(BaseModel):
    response: Literal["yes", "no", "maybe"] = Field(description="Is there a cough?")
    age: int | None
    reason: str
    signs: list[str]
"""
CANARY, QUOTED = "Zebrafinch", "Capybara"


class Reports:
    """A clinic whose notes say which answer they get: `yes 3` is the third with yes."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.task = write_task(clinic.folder / "tasks", SCHEMA)
        self.loads = Loads(clinic, self.task, _answer)

    def fill(self, **notes: int) -> Reports:
        """So many notes a class; `blank` ones have no text, `broken` ones will fail."""
        visit = 0
        for kind, count in notes.items():
            rows: list[tuple[Any, Any]] = []
            for number in range(count):
                visit += 1
                text = None if kind == "blank" else f"{kind} {number} {CANARY}"
                rows.append((visit, text))
            self.clinic.fill(*rows)
        self.clinic.extract()
        return self

    def answer(self) -> Reports:
        texts = [note.text or "" for note in self.loads.notes()]
        self.loads.answer({text: "schema" for text in texts if text.startswith("broken")})
        return self

    def load(self) -> Reports:
        self.loads.load().write(self.clinic.layout.load("chest", ID))
        return self

    def config(self, **changes: Any) -> Config:
        return read_config(
            config_values(
                results=str(self.clinic.layout.results),
                tasks=str(self.clinic.folder / "tasks"),
                cohorts={
                    "chest": {
                        "query": "SELECT visit, note FROM notes",
                        "id_columns": ["visit"],
                        "text_column": "note",
                        "shards": 3,
                    }
                },
                **changes,
            )
        )

    def report(self, **changes: Any) -> Report:
        return gather(self.config(**changes), [self.run])

    @property
    def run(self) -> Run:
        name, _, fingerprint = ID.rpartition("-")
        config = self.config()
        experiment, engine = config.experiments["cough"], config.engines["local"]
        return Run(name, experiment, engine, self.task, fingerprint, ["chest"])


def _answer(text: str, reason: str) -> dict[str, Any]:
    number = len(text) * 7 + sum(map(ord, text))
    return {
        "response": text.split(maxsplit=1)[0] if text.startswith(("yes", "no", "maybe")) else "no",
        "age": None if number % 10 == 0 else 18 + number % 70,
        "reason": f"{QUOTED} of {text}",
        "signs": [QUOTED] * (number % 4),
    }


@pytest.fixture
def reports(clinic: Clinic) -> Reports:
    return Reports(clinic)


def only(report: Report) -> Answered:
    (answered,) = report.answers
    return answered


def test_a_finished_run_is_told_whole(reports: Reports) -> None:
    report = reports.fill(yes=30, no=60, maybe=10, blank=7, broken=6).answer().load().report()
    assert (report.done, report.missing) == (True, [])
    (cohort,) = report.cohorts
    assert (cohort.rows, cohort.blank, cohort.asked) == (exactly(113), exactly(7), exactly(106))
    of = only(report)
    assert (of.answered, of.failed, of.waiting) == (exactly(100), exactly(6), exactly(0))
    assert [(each.name, each.count) for each in of.failed_by] == [
        ("the answer was JSON that schema.py refuses", exactly(6))
    ]
    response, age, reason, signs = of.fields
    assert {each.name: each.count.low for each in response.classes} == {
        "yes": 30,
        "no": 60,
        "maybe": 10,
    }
    assert response.description == "Is there a cough?"
    assert [each.kind for each in (age, reason, signs)] == ["number", "text", "list"]
    assert age.histogram and sum(c.low for c in age.histogram.counts) + age.null.low == 100
    assert of.loaded and of.values_compared
    refuse_unfinished(report)


def test_no_word_of_a_note_and_no_free_text_is_in_any_file(
    reports: Reports, tmp_path: Path
) -> None:
    reports.fill(yes=30, no=60, blank=7, broken=6).answer().load()
    write_report(tmp_path / "r" / "report.html", reports.report())
    files = sorted((tmp_path / "r").iterdir())
    assert [path.name for path in files] == [
        "report.html",
        "report.json",
        "ro-crate-metadata.json",
    ]
    for path in files:
        assert path.stat().st_mode & 0o077 == 0
        content = path.read_text()
        assert CANARY not in content and QUOTED not in content
    assert "You read notes." in files[1].read_text()  # the prompt is told


def test_a_half_done_run_says_what_is_missing(reports: Reports) -> None:
    reports.fill(yes=30, no=60).answer()
    reports.loads.shard("0001").unlink()
    report = reports.report()
    assert report.missing == ["1 shards of cough over chest"]
    assert not report.done and only(report).waiting != exactly(0)
    with pytest.raises(NotemillError, match="would lack 1 shards"):
        refuse_unfinished(report)


def test_before_the_load_it_is_missing(reports: Reports) -> None:
    assert reports.fill(yes=30, no=60).answer().report().missing == ["the load of cough over chest"]


def test_before_extract_there_is_what_was_asked(reports: Reports) -> None:
    report = reports.report()
    assert report.missing == ["cohort chest is not extracted"]
    assert report.experiments[0].system_prompt == "You read notes." and not report.answers


def test_answers_of_other_notes_do_not_count(reports: Reports) -> None:
    reports.fill(yes=30, no=60)
    reports.loads.answer(notes_digest="of yesterday")
    assert only(reports.report()).shards_done == 0


CELLS = ("classes", "null", "cells")
"""Keys of report.json below which counts are cells; so are bars of a field."""


def cells(report: Report) -> list[dict[str, int]]:
    """Every cell of the answers as report.json has it."""
    found: list[dict[str, int]] = []

    def walk(part: object, cell: bool) -> None:
        if isinstance(part, dict):
            if part.keys() == {"low", "high"} and cell:
                found.append(part)
            for name, value in part.items():
                walk(value, cell or name in CELLS or name == "histogram")
        elif isinstance(part, list):
            for value in part:
                walk(value, cell)

    walk(json.loads(report.model_dump_json())["answers"], False)
    return found


def test_no_small_cell_is_told_and_technical_counts_are_exact(
    reports: Reports, tmp_path: Path
) -> None:
    report = reports.fill(yes=3, no=190, maybe=17, broken=2, blank=1).answer().load().report()
    told = cells(report)
    assert told and not [each for each in told if each["low"] == each["high"] in (1, 2, 3, 4)]
    of = only(report)
    yes, no, maybe = (each.count for each in of.fields[0].classes)
    assert (yes, no, maybe) == (Count(low=1, high=4), exactly(190), Count(low=16, high=19))
    assert (of.asked, of.answered, of.failed) == (exactly(212), exactly(210), exactly(2))
    assert report.cohorts[0].blank == exactly(1) and of.values_compared
    assert sum(count.low for count in of.tokens[0].counts) == 212
    write_report(tmp_path / "r" / "report.html", report)
    page = (tmp_path / "r" / "report.html").read_text()
    captions = r"response|age|reason \([^<]*|signs \([^<]*"
    bodies = re.findall(f"<caption><span>Notes by (?:{captions})<.*?</table>", page, re.DOTALL)
    assert len(bodies) == 4
    for body in bodies:  # the notes stand last, but for a share
        told_cells = re.findall(r">([^<>]+)</td>(?:<td[^>]*>[^<]*%</td>)?</tr>", body)
        assert told_cells and not set(told_cells) & {"1", "2", "3", "4"}
    assert "210 of 212 notes have a valid answer" in page


def test_all_is_told_where_the_configuration_says_so(reports: Reports) -> None:
    reports.fill(yes=3, no=190, broken=2, blank=1).answer().load()
    of = only(reports.report(report={"smallest_cell": 0}))
    assert of.fields[0].classes[0].count == exactly(3)
    assert of.failed == exactly(2)


def test_a_rare_class_does_not_keep_the_others_from_being_told_by_length() -> None:
    field = FieldTally(
        AnswerColumn("response", "response", "text", None),
        "choice",
        labels=["yes", "no"],
        by_length=np.zeros((4, 64), np.int64),
    )
    assert field.by_length is not None
    field.by_length[:2, :10] = [[0, 0, 0, 3, 0, 0, 0, 0, 0, 0], [60] * 10]
    (across,) = field_told(field, {}, 5).across
    assert sum(across.notes) == 603 and len(across.columns) > 2
    assert [each for each in across.cells[0] if each.high] == [Count(low=1, high=4)]
    assert not [each for row in across.cells for each in row if each.exact and 0 < each.low < 5]


def test_the_engine_and_the_times_are_those_of_the_answers(reports: Reports) -> None:
    report = reports.fill(yes=10, no=10).answer().load().report()
    assert report.experiments[0].engines == ["small 1"]
    today = only(report).computing.first_answer_at or ""
    assert date.fromisoformat(today[:10])
    assert only(report).computing.job_hours == round(3 * 2 / 3600, 4)


def test_hours_of_gpus_are_those_of_all_servers(reports: Reports) -> None:
    reports.fill(yes=10, no=10).answer().load()
    layout, cut = reports.clinic.layout, reports.clinic.cut("chest")
    place = live(layout.answers("chest", ID, cut, "0001"))
    file = LiveFile(place, cohort="chest", experiment=ID, shard="0001", gpu="NVIDIA L40S")
    file.servers = 4
    file.begins(texts=20, answered=0, spent=Spent)
    took = only(reports.report()).computing
    assert took.gpu_hours == round((1 + 4 + 1) * 2 / 3600, 4)
    assert (took.job_hours, took.servers) == (round(3 * 2 / 3600, 4), [4])


def test_no_host_is_in_it(reports: Reports, tmp_path: Path) -> None:
    import socket  # noqa: PLC0415

    reports.fill(yes=10, no=10).answer().load()
    report = reports.report()
    assert (
        socket.gethostname()
        not in json.dumps(report.model_dump(mode="json", include={"answers", "cohorts"}))
        or len(socket.gethostname()) < 3
    )

"""The checker sees each thing that must not be: a breach is planted, and it names that one."""

from __future__ import annotations

import fcntl
import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos.invariants import Breach, Found, Row, breaches
from tests.chaos.journals import Line, read_journals
from tests.chaos.ledger import Asked, Loss, read_ledger
from tests.chaos.leftovers import files_left
from tests.chaos.notes import FAILED, draw_notes, questions, right_endings, sha256
from tests.chaos.plan import KINDS, VICTIMS, draw_plan
from tests.chaos.project import COHORT
from tests.chaos.rows import read_counts, read_rows
from tests.chaos.table import table
from tests.servers.conftest import Servers
from tests.servers.standin.answers import question_of

NAMES = ["first", "second"]
NOTES = draw_notes(random.Random(3), 100)
RIGHT = right_endings(NAMES, NOTES)
TEXTS = {note.id: sha256(note.text or "") for note in NOTES}
QUESTIONS = {question: (name, text) for question, name, text in questions(NAMES, NOTES)}
RUN = "{}-0123456789ab"


def sound() -> Found:
    """A round that ended as it must, with every question asked once."""
    rows, counts, journals = [], {}, {}
    for name, endings in RIGHT.items():
        for note, ending in endings.items():
            values = (ending.status, ending.response, ending.explanation)
            rows.append(Row(note, name, RUN.format(name), COHORT, TEXTS[note], *values))
            if ending.status == "answered":
                answer = {"response": ending.response, "explanation": ending.explanation}
                line = Line(RUN.format(name), TEXTS[note], answer, 1000.0, f"{name}.jsonl")
                journals[name, TEXTS[note]] = line
        statuses = [ending.status for ending in endings.values()]
        counts[RUN.format(name)] = {
            "notes": len(statuses),
            "answered": statuses.count("answered"),
            "failed": statuses.count(FAILED),
            "blank": statuses.count("blank"),
        }
    requests = [
        Asked(900.0 + n / 100, question, 1, 1, 999.0) for n, question in enumerate(QUESTIONS)
    ]
    return Found(rows, counts, [*journals.values()], requests, [], [], QUESTIONS)


def judged(found: Found) -> list[Breach]:
    return breaches(RIGHT, TEXTS, COHORT, found)


def at(found: Found, status: str) -> int:
    return next(n for n, row in enumerate(found.rows) if row.status == status)


def test_a_round_that_ended_as_it_must_has_no_breach() -> None:
    assert {ending.status for ending in RIGHT["first"].values()} == {"answered", FAILED, "blank"}
    assert judged(sound()) == []


def lose(found: Found) -> None:
    del found.rows[at(found, "answered")]


def double(found: Found) -> None:
    found.rows.append(found.rows[0])


def put_into_both_tables(found: Found) -> None:
    found.rows.append(replace(found.rows[at(found, "answered")], status="timeout"))


def load_two_runs(found: Found) -> None:
    found.rows[5] = replace(found.rows[5], run="first-ba9876543210")


def swap_two_answers(found: Found) -> None:
    first, second = [n for n, row in enumerate(found.rows) if row.status == "answered"][:2]
    one, other = found.rows[first], found.rows[second]
    found.rows[first] = replace(one, response=other.response, explanation=other.explanation)


def answer_another_question(found: Found) -> None:
    place = at(found, "answered")
    row = found.rows[place]
    other = RIGHT["second"][row.id]
    found.rows[place] = replace(row, response=other.response, explanation=other.explanation)


def load_another_text(found: Found) -> None:
    found.rows[0] = replace(found.rows[0], text_sha256=sha256("another"))


def invent_a_note(found: Found) -> None:
    found.rows.append(replace(found.rows[0], id=("V999", "A999")))


def invent_an_answer(found: Found) -> None:
    place = at(found, FAILED)
    found.rows[place] = replace(found.rows[place], status="answered", response="(1) Likely")


def load_another_cohort(found: Found) -> None:
    found.rows[0] = replace(found.rows[0], cohort="others")


def make_a_failure_of_an_answer(found: Found) -> None:
    place = at(found, "answered")
    found.rows[place] = replace(found.rows[place], status="server_error", response=None)


def miscount(found: Found) -> None:
    found.counts[RUN.format("first")]["answered"] -= 1


def journal_twice(found: Found) -> None:
    found.journals.append(found.journals[0])


def journal_another_answer(found: Found) -> None:
    wrong = {"response": "(1) Likely", "explanation": "made up"}
    found.journals[0] = replace(found.journals[0], answer=wrong)


def ask_again(found: Found) -> None:
    found.requests.append(replace(found.requests[0], at=950.0))


def ask_again_what_is_journaled(found: Found) -> None:
    found.losses.append(Loss("python", 950.0, 2000.0, (1,)))
    found.requests.append(replace(found.requests[0], at=1001.5))


def lose_more_than_was_in_flight(found: Found) -> None:
    found.losses.append(Loss("engine", 950.0, 951.0, (1,)))
    found.requests += [replace(each, at=952.0) for each in found.requests[:3]]


def lose_before_it_was_asked(found: Found) -> None:
    found.losses.append(Loss("engine", 800.0, 803.0, (1,)))
    found.requests.append(replace(found.requests[0], at=952.0))


def lose_another_engine(found: Found) -> None:
    found.losses.append(Loss("engine", 950.0, 951.0, (2,)))
    found.requests.append(replace(found.requests[0], at=952.0))


def lose_another_job(found: Found) -> None:
    found.losses.append(Loss("job", 950.0, 951.0, (), job="7"))
    found.requests[0] = replace(found.requests[0], job="8")
    found.requests.append(replace(found.requests[0], at=952.0))


def leave_a_file(found: Found) -> None:
    found.left.append("file results/x.partial")


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (lose, "lost"),
        (make_a_failure_of_an_answer, "lost"),
        (double, "doubled"),
        (put_into_both_tables, "doubled"),
        (load_two_runs, "doubled"),
        (swap_two_answers, "changed"),
        (answer_another_question, "changed"),
        (load_another_text, "changed"),
        (miscount, "changed"),
        (journal_another_answer, "changed"),
        (invent_a_note, "invented"),
        (invent_an_answer, "invented"),
        (load_another_cohort, "invented"),
        (journal_twice, "asked again"),
        (ask_again, "asked again"),
        (ask_again_what_is_journaled, "asked again"),
        (lose_more_than_was_in_flight, "asked again"),
        (lose_before_it_was_asked, "asked again"),
        (lose_another_engine, "asked again"),
        (lose_another_job, "asked again"),
        (leave_a_file, "left behind"),
    ],
)
def test_what_is_planted_is_named(plant: Callable[[Found], None], kind: str) -> None:
    found = sound()
    plant(found)
    assert kind in {breach.kind for breach in judged(found)}


def test_each_file_and_lock_that_is_left_is_named(tmp_path: Path) -> None:
    results, temporary = tmp_path / "project" / "results", tmp_path / "tmp"
    place: Any = SimpleNamespace(
        results=results,
        project=SimpleNamespace(folder=tmp_path / "project"),
        temporary_disk=SimpleNamespace(folder=temporary),
    )
    for folder in (results / "cohorts" / "visits", temporary / "others"):
        folder.mkdir(parents=True)
    (results / "cohorts" / "visits" / ".lock").touch()
    (results / "0000.journal.jsonl").touch()
    assert files_left(place) == []

    (temporary / "notemill-abc").mkdir()
    (temporary / "notemill-abc" / "api-key").touch()
    (results / ".0000.parquet.n1.7.partial").touch()
    (results / "0000.journal.rejected.jsonl").touch()
    (results / "0000.journal.jsonl.lock").touch()
    locks = tmp_path / "project" / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").touch()
    with (results / "0000.journal.jsonl").open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert sorted(files_left(place)) == [
            "file .snakemake/locks/0.input.lock",
            "file results/.0000.parquet.n1.7.partial",
            "file results/0000.journal.jsonl.lock",
            "file results/0000.journal.rejected.jsonl",
            "lock on 0000.journal.jsonl",
            "temporary notemill-abc: api-key",
        ]


@pytest.mark.parametrize(
    "loss",
    [
        Loss("engine", 950.0, 951.0, (1,)),
        Loss("engine", 950.0, 951.0, (), job="7"),
        Loss("engine", 950.0, 951.0, None),
    ],
)
def test_answers_in_flight_may_be_asked_again_and_count_for_their_victim(loss: Loss) -> None:
    found = sound()
    found.losses.append(loss)
    found.requests = [replace(each, job="7") for each in found.requests]
    found.requests += [replace(each, at=952.0) for each in found.requests[:2]]
    assert judged(found) == []
    assert [each.loss.victim for each in found.again if each.loss] == ["engine", "engine"]


def test_a_ledger_is_read_as_the_stand_in_writes_it(tmp_path: Path) -> None:
    """By its own process, which is killed in the middle of an answer."""
    script = (
        "import os, sys\n"
        "from tests.servers.standin.ledger import Ledger\n"
        "ledger = Ledger(sys.argv[1], 3)\n"
        "body = {'messages': [{'role': 'system', 'content': 'Q'}, {'content': 'x\\nnote'}]}\n"
        "for event in ('sending', 'sent'):\n"
        "    ledger.write(event, first := ledger.asked(body)) if event == 'sent' else None\n"
        "ledger.asked(body)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "ledger.jsonl"
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    sent, killed = read_ledger(path)
    assert sent.question == killed.question == question_of("Q", "Note:\nnote")
    assert sent.slots == 3
    assert sent.sent is not None
    assert killed.sent is None


def test_a_journal_is_read_without_the_line_that_a_kill_cut(tmp_path: Path) -> None:
    key = {"experiment": "first-0", "model_digest": "d"}
    lines = [
        {"job": 1, "key": key},
        {"text": "a", "job": 1, "answer": {"x": 1}, "answered_at": "2026-01-01T00:00:00+00:00"},
    ]
    whole = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "0000.journal.jsonl").write_text(whole + '{"text": "b", "jo')
    (line,) = read_journals(tmp_path)
    assert (line.experiment, line.text_sha256, line.answer) == ("first-0", "a", {"x": 1})


def test_a_plan_is_the_same_again_and_hits_only_whom_it_may() -> None:
    for number in range(50):
        plan = draw_plan(7, number, kills=20)
        assert plan == draw_plan(7, number, kills=20)
        assert plan != draw_plan(8, number, kills=20)
        assert plan.kind in KINDS
        for step in plan.steps:
            assert set(step.victims) <= set(VICTIMS)
            assert plan.kind == "pool" or "server" not in step.victims
    only = draw_plan(7, 1, kills=20, victims=["engine", "database"])
    assert {victim for step in only.steps for victim in step.victims} == {"engine", "database"}


def test_a_table_counts_by_victim() -> None:
    one = {
        "hits": [{"victim": "engine"}, {"victim": "engine"}, {"victim": "driver"}],
        "breaches": [{"kind": "lost", "what": ""}, {"kind": "asked again", "what": ""}],
        "seconds": 400.0,
        "calm_seconds": 40.0,
        "asked again": {"engine": 3},
        "runs again": {"driver": 1},
        "by hand": {"driver": 1},
    }
    lines = table([one, one]).splitlines()
    assert "| driver | 2 | 2 | 0 | 0 | 0 | 0 | 2 | 0 | 2 | 2 | 4.0 |" in lines
    assert "| engine | 4 | 2 | 0 | 0 | 0 | 6 | 2 | 0 | 0 | 0 | 8.0 |" in lines
    assert lines[-1] == "| all | 6 | 2 | 0 | 0 | 0 | 6 | 2 | 0 | 2 | 2 | 12.0 |"


def test_the_runbooks_table_is_that_of_all_rounds() -> None:
    docs = Path(__file__).parents[2] / "docs"
    told = (docs / "operations.md").read_text().partition("<!-- chaos: begin -->\n")[2]
    rounds = json.loads((docs / "chaos.json").read_text())
    assert told.partition("\n<!-- chaos: end -->")[0] == table(rounds)


@pytest.mark.parametrize("server", ["MariaDB", "PostgreSQL"])
def test_a_run_that_ended_without_a_table_has_lost_its_rows(servers: Servers, server: str) -> None:
    database = servers(server)
    database.drop_tables()
    assert read_rows(database) == []
    assert read_counts(database) == {}

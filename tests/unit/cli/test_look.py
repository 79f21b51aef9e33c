"""notemill.cli.look, notemill.cli.looked_at and notemill.look.gather"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from notemill.answers.experiment_record import ExperimentRecord
from notemill.answers.journal import Journal, JournalKey
from notemill.cli import look
from notemill.clock import now
from notemill.config import read_config
from notemill.files import write_text
from notemill.notes.frozen import give_up
from notemill.pilot.look import write_pilot_page
from notemill.pilot.record import read_pilot
from notemill.plan.runs import plan_runs
from tests.unit.cli.looking import (
    DIGEST,
    TEXTS,
    Looking,
    in_order,
    of_first_shard,
    pilot,
    shown,
)
from tests.unit.conftest import Clinic, write_task
from tests.unit.loads import Loads


@pytest.fixture
def looking(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> Looking:
    return Looking(clinic, capsys)


def test_each_asked_text_is_shown_once_with_its_answer(looking: Looking) -> None:
    texts = of_first_shard(looking)
    looking.answer(*TEXTS)
    page = looking.look()
    assert looking.told.strip() == str(looking.layout.look("chest", looking.id))
    assert shown(page) == [("answered", text) for text in texts]
    assert DIGEST in page
    assert f'<mark id="1-1">{texts[0].removesuffix(".")}</mark>' in page
    first = looking.look("--notes", "2")
    assert shown(first) == [("answered", text) for text in texts[:2]]
    assert "There may be more" in first


def test_notes_that_share_a_text_are_named_beside_it(looking: Looking) -> None:
    looking.answer(TEXTS[0])
    page = looking.look()
    assert len(shown(page)) == 1
    assert re.findall("<bdi>(.*?)</bdi>", page) == ["visit 0", "visit 12"]


def test_a_shard_that_is_being_answered_can_be_looked_at(looking: Looking) -> None:
    texts = of_first_shard(looking)
    looking.answer(texts[1])
    path = looking.journal(texts[1])
    with Journal(path, JournalKey(looking.id, DIGEST), lambda _: True):
        with path.open("ab") as torn:
            torn.write(b'not a line\n{"text": "')
        before = path.read_bytes()
        page = looking.look()
        assert path.read_bytes() == before
    assert shown(page) == [("answered", texts[1])]
    assert "The shard is not done" in page


def test_failures_of_a_shard_that_is_done_come_first_and_alone_on_demand(looking: Looking) -> None:
    texts = of_first_shard(looking)
    looking.answer(*texts[1:])
    loads = Loads(looking.clinic, looking.task)
    loads.answer({texts[0]: "schema", texts[2]: "schema"}, experiment=looking.id)
    page = looking.look()
    # What is in the journal came after the failure.
    assert shown(page) == [("schema", texts[0]), *(("answered", text) for text in texts[1:])]
    assert "response: missing" in page
    assert "not done" not in page
    assert shown(looking.look("--status", "schema")) == [("schema", texts[0])]
    assert "none of these texts ended as timeout" in looking.refused(
        "chest", "cough", "--status", "timeout"
    )


def test_another_shard_is_shown_by_its_number(looking: Looking) -> None:
    text = next(text for text in TEXTS if looking.shard(text) == "0002")
    looking.answer(text)
    for number in ("0002", "2"):
        assert shown(looking.look("--shard", number)) == [("answered", text)]
    assert shown(looking.look()) == [("answered", text)]  # the first with answers
    assert "has no shard 0007" in looking.refused("chest", "cough", "--shard", "7")
    told = looking.refused("chest", "cough", "--shard", "1")
    assert "name a shard with answers: 0002" in told


def test_after_a_pilot_its_texts_are_shown(looking: Looking) -> None:
    one, two, three, *_ = of_first_shard(looking)
    looking.answer(*TEXTS)
    looking.journal(two).unlink()
    looking.answer(*(text for text in of_first_shard(looking) if text != two))
    pilot(looking, {one: "answered", two: "schema"}, longest=two)
    page = looking.look()
    assert shown(page) == [("schema", two), ("answered", one)]
    assert "reason: string_too_long" in page
    assert page.count("one of the longest or shortest") == 1
    looking.answer(two)  # its shard's job asked it again
    assert shown(looking.look()) == [("answered", text) for text in in_order([one, two])]
    assert three in looking.look("--shard", "0")


def test_a_pilots_texts_are_found_in_another_cut(looking: Looking) -> None:
    texts = of_first_shard(looking)
    looking.answer(*texts)
    pilot(looking, dict.fromkeys(texts, "answered"), longest="")
    looking.clinic.extract(shards=7)
    assert len({looking.shard(text, 7) for text in texts}) > 1
    page = looking.look()
    assert shown(page) == [("answered", text) for text in texts]
    looking.journal(texts[0])


def test_answers_that_a_pilot_had_and_no_journal_has_are_counted(looking: Looking) -> None:
    one, two, *_ = of_first_shard(looking)
    looking.answer(one)
    pilot(looking, {one: "answered", two: "answered"}, longest="")
    page = looking.look()
    assert shown(page) == [("answered", one)]
    assert "Of 1 more nothing is known any more" in page
    looking.journal(one).unlink()
    assert "nothing is known any more" in looking.refused("chest", "cough")


def test_answers_of_another_experiment_are_not_shown(looking: Looking) -> None:
    texts = of_first_shard(looking)
    path = looking.journal(texts[0])
    looking.answer(texts[0])
    lines = path.read_text().replace(looking.id, "cough-999999999999")
    path.write_text(lines)
    assert "has answered nothing" in looking.refused("chest", "cough")
    looking.answer(texts[1])
    assert shown(looking.look()) == [("answered", texts[1])]


def test_answers_to_an_earlier_prompt_are_shown_by_their_id(looking: Looking) -> None:
    text = of_first_shard(looking)[0]
    before = looking.id
    looking.answer(text)
    ExperimentRecord(
        experiment=before, model="m:0", digest=DIGEST, weights_sha256="", recorded_at=now()
    ).write(looking.layout.experiment(before))
    page = looking.look(experiment=before)
    assert "You read notes." in page
    write_task(looking.task.folder.parent, system="You read notes with care.")
    assert looking.id != before
    live = looking.layout.pilot("chest", looking.id).with_suffix(".live.json")
    live.parent.mkdir(parents=True, exist_ok=True)
    live.touch()
    told = looking.refused("chest", "cough")
    assert told.rstrip().endswith(f"what an earlier prompt or model gave: {before}")
    page = looking.look(experiment=before)
    assert shown(page) == [("answered", text)]
    assert "m:0" in page
    assert "You read notes" not in page
    # And whatever became of the task since.
    (looking.task.folder / "schema.py").write_text("nonsense")
    assert shown(looking.look(experiment=before)) == [("answered", text)]
    assert "schema.py does not import" in looking.refused("chest", "cough")


def test_what_lies_beside_a_pilots_record_is_no_experiment(looking: Looking) -> None:
    """Its live file, and the slots measured on a kind of GPU."""
    text = of_first_shard(looking)[0]
    pilot(looking, {text: "answered"}, longest="")
    record = looking.layout.pilot("chest", looking.id)
    live, slots = record.with_suffix(".live.json"), looking.layout.slots("chest", looking.id, "CPU")
    for beside in (live, slots):
        beside.write_text("{}")
        assert "there is no experiment" in looking.refused("chest", beside.stem)
    assert f"asked of this cohort: {looking.id}\n" in looking.told
    record.unlink()
    assert "earlier prompt" not in looking.refused("chest", "cough")


def test_what_is_not_there_is_said_with_what_is(looking: Looking) -> None:
    told = looking.refused("chets", "cough")
    assert "there is no cohort 'chets'" in told
    assert "chest, other" in told
    told = looking.refused("chest", "coughs")
    assert "there is no experiment 'coughs'" in told
    assert "one that is there: cough; or" in told
    told = looking.refused("other", "cough")
    assert "not asked over cohort 'other'" in told
    assert "of its cohorts: chest" in told
    told = looking.refused("chest", "cough")
    assert "has answered nothing of cohort 'chest' yet" in told
    assert "snakemake pilot" in told
    for beside in (f"{looking.id}.live.json", f".{looking.id}.cpu.json"):
        write_text(looking.layout.pilot("chest", looking.id).with_name(beside), "{}")
    assert "earlier prompt" not in looking.refused("chest", "cough")
    assert "there is none yet" in looking.refused("chest", "coughs")
    looking.answer(TEXTS[0])
    assert looking.id in looking.refused("chest", "coughs")
    for path in ("../chest", "", "*"):
        assert "there is no cohort" in looking.refused(path, "cough")
        assert "there is no experiment" in looking.refused("chest", path)


def test_a_cohort_that_is_not_extracted_is_said(looking: Looking) -> None:
    looking.layout.frozen("chest").unlink()
    assert "were not extracted yet" in looking.refused("chest", "cough")


def test_the_page_goes_where_it_is_wanted_and_over_no_other_file(
    looking: Looking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking.answer(TEXTS[0])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert looking.run("chest", "cough", "--out", "my.html", "-d", "there") == 0
    assert looking.told == f"{tmp_path / 'my.html'}\n"
    monkeypatch.chdir(tmp_path)
    assert looking.run("chest", "cough", "--out", "my.html") == 0
    (tmp_path / "data.csv").write_text("mine")
    for place in ("data.csv", "there"):
        assert "something else than a page" in looking.refused("chest", "cough", "--out", place)
    assert (tmp_path / "data.csv").read_text() == "mine"
    assert not looking.layout.look("chest", looking.id).exists()


@pytest.mark.parametrize(
    "arguments", [("--notes", "0"), ("--notes", "10001"), ("--shard", "x"), ("--status", "blank")]
)
def test_what_makes_no_sense_is_refused(looking: Looking, arguments: tuple[str, str]) -> None:
    with pytest.raises(SystemExit):
        looking.run("chest", "cough", *arguments)


def test_an_unforeseen_error_has_no_word_of_a_note(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Iterator[str]:
        raise ValueError(TEXTS[0])

    looking.answer(TEXTS[0])
    monkeypatch.setattr(look, "write_page", broken)
    assert looking.run("chest", "cough") == 1
    assert "unexpected ValueError at test_look.py" in looking.told


def test_a_pilots_own_page_is_the_one_that_the_command_writes(looking: Looking) -> None:
    one, two, *_ = of_first_shard(looking)
    looking.answer(one)
    pilot(looking, {one: "answered", two: "timeout"}, longest=one)
    page = looking.look()
    (run,) = plan_runs(read_config(looking.values()))
    record = read_pilot(looking.layout.pilot("chest", looking.id))
    path = write_pilot_page(looking.layout, run, record)
    assert str(path) == looking.told.strip()
    assert [line for line in path.read_text().splitlines() if "page made" not in line] == [
        line for line in page.splitlines() if "page made" not in line
    ]


def test_a_cohort_given_up_as_the_message_says_leaves_no_note_behind(looking: Looking) -> None:
    looking.answer(*TEXTS)
    looking.look()
    assert "sputum" in "".join(left_behind(looking.layout.results))
    for folder in give_up("chest", looking.layout).rpartition("rm -rf ")[2].split():
        shutil.rmtree(folder, ignore_errors=True)
    assert "sputum" not in "".join(left_behind(looking.layout.results))


def left_behind(results: Path) -> list[str]:
    """What files say that are not compressed."""
    return [path.read_text(errors="replace") for path in results.rglob("*") if path.is_file()]

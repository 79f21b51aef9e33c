"""notemill.cli.look, notemill.cli.looked_at and notemill.look.gather"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml

from notemill.__main__ import main
from notemill.answers.experiment_record import ExperimentRecord
from notemill.answers.journal import Journal, JournalKey
from notemill.answers.outcome import Outcome
from notemill.answers.sweep import Sweep
from notemill.cli import look
from notemill.clock import now
from notemill.config import read_config
from notemill.notes.text import shard_of
from notemill.paths import journal, shard_names
from notemill.pilot.record import AskedText, PilotRecord, ShardTexts
from notemill.plan.runs import plan_runs
from tests.unit.conftest import Clinic, config_values, write_task
from tests.unit.loads import Loads

TEXTS = [f"Note {number}: sputum with blood." for number in range(12)]
DIGEST = "d" * 64


class Looking:
    """A clinic whose cohort is extracted, and the command over its answers."""

    def __init__(self, clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
        self.clinic = clinic
        self.layout = clinic.layout
        self._capsys = capsys
        self.task = write_task(clinic.folder / "tasks")
        clinic.fill(*enumerate(TEXTS), (12, TEXTS[0]), (13, " "))
        clinic.extract()

    def values(self) -> dict[str, Any]:
        values = config_values(results=str(self.layout.results), tasks=str(self.task.folder.parent))
        values["cohorts"]["other"] = values["cohorts"]["chest"]
        values["experiments"]["cough"]["cohorts"] = ["chest"]
        return values

    @property
    def id(self) -> str:
        (run,) = plan_runs(read_config(self.values()))
        return run.experiment_id

    def shard(self, text: str, shards: int = 3) -> str:
        number = shard_of(hashlib.sha256(text.encode()).digest(), shards)
        return shard_names(shards)[number]

    def journal(self, text: str, experiment: str | None = None) -> Path:
        place = ("chest", experiment or self.id, self.clinic.cut(), self.shard(text))
        return journal(self.layout.answers(*place))

    def answer(self, *texts: str, experiment: str | None = None, **values: Any) -> None:
        """Put answers into the journals, as jobs do."""
        for text in texts:
            answer = {"response": "yes", "reason": f'It says "{text}"'} | values
            outcome = Outcome("answered", answer, "", 1, "", 20, 10, 0.5, "small 1", now())
            key = JournalKey(experiment or self.id, DIGEST)
            with Journal(self.journal(text, experiment), key, lambda _: True) as kept:
                kept.accept(sha(text), outcome)

    def look(self, *arguments: str, experiment: str = "cough") -> str:
        """The page of `notemill look chest cough`, which must have printed its path alone."""
        assert self.run("chest", experiment, *arguments) == 0
        path = Path(self.told.strip())
        assert self.told == f"{path}\n"
        assert path.stat().st_mode & 0o777 == 0o600
        return path.read_text()

    def run(self, *arguments: str) -> int:
        """The exit status; what is printed goes to `told`, and never has a word of a note."""
        file = self.clinic.folder / "my.yaml"
        file.write_text(yaml.safe_dump(self.values()))
        status = main(["look", *arguments, "--configfile", str(file)])
        printed = self._capsys.readouterr()
        self.told = printed.out + printed.err
        assert "sputum" not in self.told
        return status

    def refused(self, *arguments: str) -> str:
        assert self.run(*arguments) == 1
        assert "what to do: " in self.told
        return self.told


@pytest.fixture
def looking(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> Looking:
    return Looking(clinic, capsys)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def shown(page: str) -> list[tuple[str, str]]:
    """Status and note of each entry, in the page's order."""
    found = re.findall(
        r'<span class="status">(\w+)</span>.*?<div class="note">(.*?)</div>', page, re.DOTALL
    )
    return [(status, unescape(re.sub("<.*?>", "", note))) for status, note in found]


def in_order(texts: list[str]) -> list[str]:
    return sorted(texts, key=sha)


def of_first_shard(looking: Looking) -> list[str]:
    """Texts of the first shard, which has some."""
    texts = in_order([text for text in TEXTS if looking.shard(text) == "0000"])
    assert len(texts) >= 3
    return texts


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
    assert re.findall('<bdi class="id">(.*?)</bdi>', page) == ["visit 0", "visit 12"]


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


def pilot(looking: Looking, asked: dict[str, str], longest: str) -> None:
    """A pilot's record over these texts, each with its status."""
    texts = [
        AskedText(
            text_sha256=sha(text),
            characters=len(text),
            drawn=text != longest,
            status=status,
            detail="" if status == "answered" else "reason: string_too_long",
            attempts=3,
            changes="hint; hint",
            prompt_tokens=20,
            answer_tokens=10,
            seconds=0.5,
            slots=2,
        )
        for text, status in asked.items()
    ]
    PilotRecord(
        experiment=looking.id,
        cohort="chest",
        model="m:1",
        model_digest=DIGEST,
        engine="small 1",
        host="here",
        gpu="CPU",
        gpu_memory_mib=None,
        gpus=None,
        slots=2,
        sweep=Sweep(gpu="CPU", steps=[], best=None, ended="", measured_at=now()),
        ready_s=1.0,
        shard="0000",
        shard_texts=ShardTexts(
            texts=9, characters=9, squared_characters=9, beyond_context=0, longest_prompt=9
        ),
        asked_before=0,
        asked=texts,
        journal_bytes=300.0,
        notemill="0",
        made_at=now(),
        seconds=9.0,
    ).write(looking.layout.pilot("chest", looking.id))


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
    told = looking.refused("chest", "cough")
    assert f"what an earlier prompt or model gave: {before}" in told
    page = looking.look(experiment=before)
    assert shown(page) == [("answered", text)]
    assert "m:0" in page
    assert "You read notes" not in page
    # And whatever became of the task since.
    (looking.task.folder / "schema.py").write_text("nonsense")
    assert shown(looking.look(experiment=before)) == [("answered", text)]
    assert "schema.py does not import" in looking.refused("chest", "cough")


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

"""notemill.answers.live and live_file: what a job says, never at the cost of the job."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from notemill.answers import live_file as module
from notemill.answers.journal_lines import Spent
from notemill.answers.live import History, Live, State, read_live
from notemill.answers.live_file import LiveFile
from notemill.errors import NotemillError
from notemill.locks import Held
from notemill.logs import Terminated
from tests.disks import small_disk
from tests.unit.conftest import names_in
from tests.unit.status.results import outcome

WHOSE = {"cohort": "chest", "experiment": "cough-123", "shard": "0001"}
SECRET = "Mr Miller coughs"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers" / "0001.live.json"


def begun(file: LiveFile, *, answered: int = 0, digest: str = "notes") -> None:
    file.begins(
        texts=10,
        answered=answered,
        spent=lambda: Spent(2.5, 3, 90),
        slots=8,
        notes_digest=digest,
    )


def said(path: Path) -> Live:
    live = read_live(path)
    assert live
    return live


def test_a_job_tells_where_it_is_and_how_far(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with LiveFile(path, **WHOSE) as file:
        assert not path.exists()
        begun(file, answered=4)
        assert (said(path).state, said(path).answered, said(path).slots) == ("starting", 4, 8)
        for status in ("answered", "schema", "answered", "timeout"):
            file.ended(outcome(status))
        file.slots = 16
        file.beat()
        live = said(path)
        assert (live.state, live.texts, live.answered, live.ended) == (State.ASKING, 10, 6, 4)
        assert live.failed == {"schema": 1, "timeout": 1}
        assert (live.slurm_job, live.gpu, live.slots) == ("4711", "3", 16)
        assert live.spent == Spent(2.5, 3, 90)
        assert sum(texts for _, texts in live.history.spans) == 4
    assert said(path).state is State.DONE
    assert path.stat().st_mode & 0o777 == 0o600
    assert names_in(path.parent) == [path.name]


def test_no_word_of_an_answer_or_a_detail_is_in_it(path: Path) -> None:
    with LiveFile(path, **WHOSE) as file:
        begun(file)
        answered = outcome()
        file.ended(type(answered)(**vars(answered) | {"answer": {"x": SECRET}, "detail": SECRET}))
    assert SECRET not in path.read_text()


def test_a_failed_job_leaves_its_reason_and_remedy(path: Path) -> None:
    error = NotemillError("the model is gone\n  line 2", where="models/m.json", remedy="pull it")
    with pytest.raises(NotemillError), LiveFile(path, **WHOSE) as file:
        begun(file)
        raise error
    live = said(path)
    assert live.state is State.FAILED
    assert live.failure
    assert (live.failure.what, live.failure.where, live.failure.remedy) == (
        "the model is gone",
        "models/m.json",
        "pull it",
    )


def test_of_an_unexpected_error_kind_and_place_are_told_and_not_its_text(path: Path) -> None:
    with pytest.raises(ValueError, match=SECRET), LiveFile(path, **WHOSE) as file:
        begun(file)
        raise ValueError(SECRET)
    assert SECRET not in path.read_text()
    failure = said(path).failure
    assert failure
    assert failure.what.startswith("unexpected ValueError at test_live.py:")
    assert "NOTEMILL_DEBUG=1" in failure.remedy


@pytest.mark.parametrize("kind", [Terminated, KeyboardInterrupt])
def test_a_job_that_was_sent_away_says_that_it_ended(path: Path, kind: type[BaseException]) -> None:
    with pytest.raises(kind), LiveFile(path, **WHOSE) as file:
        begun(file)
        raise kind
    assert said(path).state is State.ENDED
    assert said(path).failure is None


def test_a_job_that_finds_its_shard_taken_leaves_the_others_file_alone(path: Path) -> None:
    first = LiveFile(path, **WHOSE)
    begun(first, answered=4)
    before = path.read_bytes()
    with pytest.raises(Held), LiveFile(path, **WHOSE) as second:
        second.beat()
        raise Held("another job is answering this shard", remedy="let it finish")
    assert path.read_bytes() == before


def test_a_job_that_fails_before_it_begins_keeps_what_is_known_of_the_shard(path: Path) -> None:
    with pytest.raises(Terminated), LiveFile(path, **WHOSE) as file:
        begun(file)
        file.ended(outcome())
        file.ended(outcome("schema"))
        raise Terminated
    with pytest.raises(NotemillError), LiveFile(path, **WHOSE):
        raise NotemillError("another model", remedy="pin it")
    live = said(path)
    assert (live.state, live.texts, live.answered, live.failed) == ("failed", 10, 1, {})
    assert live.spent == Spent(2.5, 3, 90)


def test_a_job_that_fails_first_of_all_says_why(path: Path) -> None:
    with pytest.raises(NotemillError), LiveFile(path, **WHOSE):
        raise NotemillError("the notes shard is damaged", remedy="read it anew")
    live = said(path)
    assert live.failure
    assert (live.state, live.texts, live.failure.what) == (
        "failed",
        None,
        "the notes shard is damaged",
    )


def test_a_file_that_cant_be_written_costs_a_warning_and_no_answer(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(path.parent) as disk, caplog.at_level(logging.WARNING, "notemill"):
        with LiveFile(path, **WHOSE) as file:
            begun(file)
            before = path.read_bytes()
            disk.fill()
            for _ in range(3):
                file.ended(outcome())
                file.beat()
            assert path.read_bytes() == before
            disk.give_room()
        (record,) = caplog.records
        assert "can't be written" in record.message
        assert said(path).answered == 3


def test_a_folder_that_cant_be_made_costs_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with LiveFile(tmp_path / "file" / "0001.live.json", **WHOSE) as file:
        begun(file)
        file.ended(outcome())
    assert "a part of this path is a file" in caplog.text


def test_counts_that_cant_be_cost_no_answer(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with LiveFile(path, **WHOSE) as file:
        begun(file, answered=11)
        file.ended(outcome())
    assert not path.exists()
    assert "can't be written" in caplog.text


def test_the_history_goes_on_over_the_jobs_of_the_same_notes(path: Path) -> None:
    for _ in range(2):
        with pytest.raises(Terminated), LiveFile(path, **WHOSE) as file:
            begun(file)
            file.ended(outcome())
            raise Terminated
    assert sum(texts for _, texts in said(path).history.spans) == 2
    with LiveFile(path, **WHOSE) as file:
        begun(file, digest="of other notes")
    assert said(path).history.spans == []


def test_a_history_stays_small_and_loses_no_text() -> None:
    history = History()
    for number in range(20_000):
        history.add(1_700_000_000 + number * 3.7)
    history.add(1_700_000_000 + 10_000_000)
    history.add(1_700_000_000)  # the clock was set back
    assert sum(texts for _, texts in history.spans) == 20_002
    assert len(history.spans) <= 120
    assert all(start % history.width_s == 0 for start, _ in history.spans)
    assert len(history.model_dump_json()) < 4000


class Clock:
    """A clock that the test sets."""

    now = 1_700_000_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


def test_the_speed_is_of_the_last_minute(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    speeds = []
    with LiveFile(path, **WHOSE) as file:
        file.begins(texts=10_000, answered=0, spent=Spent)
        clock.now += 600  # the model is loaded
        for texts in [10] * 30 + [0] * 13:
            for _ in range(texts):
                clock.now += 0.5
                file.ended(outcome())
            clock.now += 5 - 0.5 * texts
            file.beat()
            speeds.append(said(path).texts_per_s)
    assert speeds[0] == pytest.approx(9 / 4.5)
    assert speeds[29] == pytest.approx(2.0, abs=0.1)
    assert speeds[-1] == 0.0
    assert max(speeds) < 2.2


@pytest.mark.parametrize(
    "change",
    [
        {"answered": 11},
        {"answered": 9},
        {"spent": {"seconds": -1.0}},
        {"texts_per_s": "NaN"},
        {"started_at": "2026-01-01T00:00:00"},
        {"history": {"width_s": 0, "spans": []}},
        {"history": {"width_s": 10, "spans": [[10**18, 1]]}},
    ],
)
def test_a_file_whose_numbers_cant_be_is_none(path: Path, change: dict[str, object]) -> None:
    with LiveFile(path, **WHOSE) as file:
        begun(file)
        file.ended(outcome("schema"))
        file.ended(outcome("timeout"))
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"answered": 8}))
    assert read_live(path)
    path.write_text(json.dumps(values | change))
    assert read_live(path) is None

"""A purge, and what begins or ends beside it: no text stays, and nothing asks half of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.job import answer_shards
from notemill.audit import draw
from notemill.cli import look
from notemill.errors import NotemillError
from notemill.locks import LockedFile
from notemill.paths import journal
from notemill.purge.purge import purging
from tests.stages import NOTES, Stages


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stages:
    return Stages(tmp_path / "run", monkeypatch).through("load")


def test_what_was_written_since_it_was_looked_goes_too(loaded: Stages) -> None:
    page = loaded.layout.look("chest", loaded.runs[0].experiment_id)
    page.unlink()  # the pilot's
    with _purging(loaded) as ready:
        loaded.command("look", "chest", "cough", "--shard", "1")
        assert _texts_in(page)
        ready.run()
    assert not page.exists()


def test_a_job_that_began_since_it_was_looked_keeps_all_texts(loaded: Stages) -> None:
    job = loaded.jobs()[0]
    with _purging(loaded) as ready:
        with closing(LockedFile(journal(job.output))):
            with pytest.raises(NotemillError, match="another job is answering"):
                ready.run()
        assert not loaded.layout.purged("chest").exists()
        assert ready.found and all(each.path.exists() for each in ready.found)
        # One that locks its journal later sees the record, and asks nothing of what is there yet.
        ready.record.write(loaded.layout.purged("chest"))
        job.output.unlink()
        journal(job.output).unlink()
        asked = loaded.asked.total()
        with pytest.raises(NotemillError, match="were purged"):
            answer_shards([job])
        assert loaded.asked.total() == asked


LOOK = ("look", "chest", "cough", "--shard", "0")
DRAW = ("audit", "draw", "chest", "cough", "--readers", "ana", "--seed", "7")


@pytest.mark.parametrize(
    ("module", "writer", "command", "after"),
    [
        (look, "write_page", LOOK, False),
        (look, "write_page", LOOK, True),
        (draw, "_write", DRAW, False),
    ],
    ids=["page", "written page", "sheets"],
)
def test_what_is_being_written_when_a_purge_ends_is_refused_and_gone(
    loaded: Stages,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    writer: str,
    command: tuple[str, ...],
    after: bool,
) -> None:
    write: Callable[..., None] = getattr(module, writer)

    def beside(*given: Any) -> None:
        if after:
            write(*given)
        with _purging(loaded) as ready:
            ready.run()
        if not after:
            write(*given)

    monkeypatch.setattr(module, writer, beside)
    with pytest.raises(NotemillError, match="were purged"):
        loaded.command(*command)
    left = [path for path in loaded.results.rglob("*") if path.is_file() and _texts_in(path)]
    assert left == []


def _purging(stages: Stages) -> Any:
    return purging(stages.layout, "chest", stages.runs)


def _texts_in(path: Path) -> bool:
    return any(text.encode() in path.read_bytes() for text in NOTES) or path.suffix == ".xlsx"

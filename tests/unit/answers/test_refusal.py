"""notemill.answers.refusal: one job's refusal speaks for the jobs of the same plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from notemill.answers.refusal import PLAN_VARIABLE, told_once
from notemill.config import OllamaEngine
from notemill.errors import EngineRefused, NotemillError
from tests.disks import small_disk

ENGINE = OllamaEngine(kind="ollama", models=Path("/models"))
DIGEST = "d" * 64


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(PLAN_VARIABLE, "plan 1")
    return tmp_path / "experiments" / "refused.json"


def starts(
    path: Path,
    error: NotemillError | None = None,
    engine: OllamaEngine = ENGINE,
    digest: str = DIGEST,
) -> bool:
    """Whether a job starts its engine, which then meets the error."""
    started = False
    try:
        with told_once(path, engine, digest):
            started = True
            if error:
                raise error
    except NotemillError as told:
        assert isinstance(told, EngineRefused) or told is error
        assert str(told) == str(REFUSAL) or told is error
    return started


REFUSAL = EngineRefused("version 0.1 is refused", where="engines.local", remedy="take another")


def test_later_jobs_of_the_plan_are_told_the_same_and_start_no_engine(path: Path) -> None:
    assert starts(path, REFUSAL)
    for _ in range(3):
        assert not starts(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_invocation_tries_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert starts(path, REFUSAL)
    monkeypatch.setenv(PLAN_VARIABLE, "plan 2")
    assert starts(path, REFUSAL)
    assert not starts(path)


def test_by_hand_nothing_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert starts(path, REFUSAL)
    monkeypatch.delenv(PLAN_VARIABLE)
    assert starts(path, REFUSAL)
    path.unlink()
    assert starts(path, REFUSAL)
    assert not path.exists()


def test_another_engine_section_or_model_tries_again(path: Path) -> None:
    assert starts(path, REFUSAL)
    assert starts(path, REFUSAL, engine=ENGINE.model_copy(update={"flash_attention": False}))
    assert starts(path, REFUSAL, digest="e" * 64)


def test_what_a_retry_may_mend_is_not_kept(path: Path) -> None:
    assert starts(path, NotemillError("no answer in 600 s", remedy="look at the GPU"))
    assert starts(path)


def test_an_engine_that_answers_forgets_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert starts(path, REFUSAL)
    monkeypatch.setenv(PLAN_VARIABLE, "plan 2")
    assert starts(path)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[]"])
def test_a_damaged_file_stops_no_one(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert starts(path)


def test_what_was_refused_is_told_on_a_full_disk_too(path: Path) -> None:
    with small_disk(path.parent, kib=16) as disk:
        disk.fill()
        with pytest.raises(EngineRefused, match="is refused"):
            with told_once(path, ENGINE, DIGEST):
                raise REFUSAL
        disk.give_room()
        assert list(path.parent.iterdir()) == []

"""notemill.standing: what was made last stays, whatever happens to what is made anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.files import write_text
from notemill.standing import last_good, last_one_kept


def made(path: Path, text: str) -> None:
    """As a job of Snakemake makes it: what was there before is deleted first."""
    path.unlink(missing_ok=True)
    with last_one_kept(path):
        write_text(path, text)


@pytest.mark.parametrize("links", [True, False])
def test_the_last_good_one_outlives_the_next_that_is_refused(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    links: bool,
) -> None:
    if not links:

        def link(*_: object) -> None:
            raise OSError("this file system has no links")

        monkeypatch.setattr(os, "link", link)
    path = tmp_path / "gold.json"
    for text in ("first", "second"):
        made(path, text)
        assert last_good(path).read_text() == text
    path.unlink()
    with pytest.raises(NotemillError, match="row 5"), last_one_kept(path):
        raise NotemillError("row 5", where="gold.csv", remedy="correct it")
    assert str(tmp_path / ".gold.last.json") in caplog.text
    assert last_good(path).read_text() == "second"
    assert last_good(path).stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == [".gold.last.json"]


def test_where_nothing_was_made_before_nothing_is_said_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(NotemillError), last_one_kept(tmp_path / "gold.json"):
        raise NotemillError("row 5", where="gold.csv", remedy="correct it")
    assert not caplog.text

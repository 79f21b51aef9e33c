"""`notemill report`, as it is called on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from notemill.cli.commands import main
from tests.unit.status.results import Results


def test_a_report_is_made_of_what_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Results(tmp_path).extracted()
    assert main(["report", "--configfile", str(results.config_file)]) == 0
    out, err = capsys.readouterr()
    page = results.layout.report
    assert out.strip() == str(page) and page.exists()
    assert "it lacks 4 shards of cough over chest" in err
    assert json.loads(page.with_name("report.json").read_text())["done"] is False


def test_it_goes_where_it_is_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = Results(tmp_path).extracted()
    out = tmp_path / "elsewhere" / "mine.html"
    assert main(["report", "--configfile", str(results.config_file), "--out", str(out)]) == 0
    assert {path.name for path in out.parent.iterdir()} == {
        "mine.html",
        "report.json",
        "ro-crate-metadata.json",
    }


def test_it_never_replaces_a_file_that_is_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Results(tmp_path).extracted()
    gold = tmp_path / "gold.csv"
    gold.write_text("id,right\n")
    for place in (gold, tmp_path):
        with pytest.raises(SystemExit):
            main(["report", "--configfile", str(results.config_file), "--out", str(place)])
        assert "a file whose name ends in .html" in capsys.readouterr().err
    assert gold.read_text() == "id,right\n"

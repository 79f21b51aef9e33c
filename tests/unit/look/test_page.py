"""notemill.look.page, as a file"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from notemill.answers.searching import Span
from notemill.errors import NotemillError
from notemill.look import page
from notemill.look.page import check_place, write_page
from notemill.tasks.evidence import Evidence
from tests.browser import check_own_parts_alone
from tests.unit.look.pages import ABOUT, entry


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "page.html"


def test_the_page_is_its_owners_alone_from_its_first_byte(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []

    def while_it_is_written(*_: object) -> list[Span]:
        modes.extend(path.stat().st_mode & 0o777 for path in file.parent.iterdir())
        return []

    monkeypatch.setattr(page, "marks_of", while_it_is_written)
    before = os.umask(0)
    try:
        write_page(file, ABOUT, [entry("a note"), entry("another")])
    finally:
        os.umask(before)
    assert modes == [0o600, 0o600]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_it_says_what_it_is_and_what_made_its_answers(file: Path) -> None:
    write_page(file, ABOUT, [entry("a note"), entry("another")])
    html = file.read_text()
    for words in (
        "2 notes stand here word for word",
        f"delete it: <code>rm {file}</code>",
        "cough-0123456789ab",
        "m:1",
        "d" * 64,
        "small 1",
        "You read &lt;b&gt;notes&lt;/b&gt;.",
        "Read:\n{note}",
        "These are some.",
    ):
        assert words in html
    write_page(file, replace(ABOUT, system_prompt=None, user_prompt=None), [entry("a note")])
    assert "is not known here" in file.read_text()


def test_scripts_and_styles_are_ours_alone_and_no_address_is_in_the_page(file: Path) -> None:
    write_page(file, ABOUT, [entry("a note", reason="a note with some words")])
    html = file.read_text()
    check_own_parts_alone(html)


def test_evidence_is_marked_and_graded_and_a_near_match_is_not_marked_as_found(file: Path) -> None:
    note = "No fever at home. Temperature was 38.4 today. No cough at all."
    about = replace(ABOUT, evidence=Evidence(field="reason"))
    entries = [
        entry(note, reason="No fever at home ... no cough at all", quotes=["Temperature was 38.4"]),
        entry(note, reason="Temperature was 38.9 today"),
        entry(note, reason="She feels quite well and is at work"),
    ]
    write_page(file, about, entries)
    html = file.read_text()
    assert 'class="near">Temperature was 38.4 today</mark>' in html
    for word in ("near: the note has something like it", "absent: the note does not have it"):
        assert html.count(word) == 1
    assert ">near (1)</option>" in html
    assert len(re.findall(r"<mark id=\"[0-9-]+\">Temperature was 38.4</mark>", html)) == 1
    write_page(file, ABOUT, entries)
    assert "near: the note" not in file.read_text()


def test_sentences_that_an_answer_names_are_marked(file: Path) -> None:
    note = "No fever at home. [1] Temperature was 38.4 today. No cough at all."
    about = replace(ABOUT, evidence=Evidence(field="numbers", numbered=True))
    write_page(file, about, [entry(note, numbers=[3, 1]), entry(note, numbers=[7])])
    html = file.read_text()
    marked = re.findall(r"<mark id=\"[0-9-]+\">([^<]*)</mark>", html)
    assert marked == ["No fever at home.", "No cough at all."]
    assert html.count("absent: the note has no sentence of one of these numbers") == 1


def test_many_and_long_notes_are_shown_cut(file: Path) -> None:
    long = replace(entry("x" * 100_001), characters=16_000_000)
    write_page(file, ABOUT, [long, *(entry(f"note {n}") for n in range(300))])
    html = file.read_text()
    assert "The first 100,000 of 16,000,000 characters" in html
    assert "x" * 100_000 in html
    assert "x" * 100_001 not in html
    assert html.count("<article") == 301


def test_an_answer_of_another_day_is_shown_without_its_schema(file: Path) -> None:
    about = replace(ABOUT, json_schema=None)
    entries = [
        *(entry(f"note {n}", response="yn"[n % 2], reason=f"reason {n}") for n in range(10)),
        entry("failed", "of another version"),
    ]
    write_page(file, about, entries)
    labels = re.findall(r'<label for="filter-\d+">(.+?)</label>', file.read_text())
    assert labels == ["status", "response", "acute"]


def test_ids_are_shown_whatever_they_are_and_the_first_of_many(file: Path) -> None:
    ids = [(b"\xff\x00", "<A>"), (7, "B\x00")]
    write_page(file, ABOUT, [replace(entry("a note", ids=ids), notes=12)])
    html = file.read_text()
    assert "visit ff00, accession &lt;A&gt;</bdi>" in html
    assert "visit 7, accession B\u2400</bdi>" in html
    assert "and 10 more with the same text" in html


def test_a_choice_that_is_called_as_no_answer_is_not_mixed_up_with_it(file: Path) -> None:
    schema = {"properties": {"found": {"enum": ["(no answer)", "yes", None]}}}
    page_of = replace(ABOUT, json_schema=schema)
    values = {"found": "(no answer)"}
    answered = entry("one")
    one = replace(answered, outcome=replace(answered.outcome, answer=values))
    write_page(file, page_of, [one, entry("two", "timeout")])
    options = re.findall(r'<option value="(\d+)">(.+?)</option>', file.read_text())
    assert options[2:] == [
        ("0", "(no answer) (1)"),
        ("1", "yes (0)"),
        ("2", "null (0)"),
        ("3", "(no answer) (1)"),
    ]


def test_no_other_file_is_written_over(tmp_path: Path) -> None:
    mine = tmp_path / "thesis.html"
    mine.write_text("<!doctype html>my own words")
    for place in (mine, tmp_path, Path("/dev/null")):
        with pytest.raises(NotemillError, match="something else than a page"):
            check_place(place)
    page = tmp_path / "page.html"
    check_place(page)
    write_page(page, ABOUT, [entry("a note")])
    check_place(page)

"""Journals with lines that were cut, changed or lost: what is whole is kept, the rest set aside."""

from __future__ import annotations

import json
import os
import random
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notemill.answers.journal import Journal
from notemill.errors import NotemillError
from tests.disks import small_disk
from tests.unit.answers.journals import (
    KEY,
    OUTCOME,
    A,
    B,
    C,
    answers,
    anything,
    journal_of,
    other_job,
    set_aside,
)
from tests.unit.conftest import names_in


def test_a_disk_that_fills_up_is_named_and_costs_no_accepted_answer(path: Path) -> None:
    texts = [f"{number:064x}" for number in range(40)]
    kept: list[str] = []
    with small_disk(path.parent) as disk:
        for room in (6000, 9000, 9500):
            with pytest.raises(NotemillError, match="no space is left") as refused:
                with Journal(path, KEY, anything) as journal:
                    assert list(journal.answers) == kept
                    disk.fill(but=room % 4096 + 1)
                    for text in texts[len(kept) :]:
                        journal.accept(text, OUTCOME)
                        kept.append(text)
            assert refused.value.where == str(path)
            with pytest.raises(NotemillError, match="no space is left"):
                Journal(path, KEY, anything)  # and once more while it is full
            disk.give_room()
            assert list(answers(path)) == kept
        assert 0 < len(kept) < len(texts)


def test_a_kill_at_any_byte_costs_at_most_the_last_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a kill, no lost node: a thousand are slow
    journal_of(path, A, B)
    whole = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        lines = sum(end <= length for end in ends)
        whole_answers = [A, B][: max(0, lines - 1)]
        with Journal(path, KEY, anything) as journal:
            assert list(journal.answers) == whole_answers
            journal.accept(C, OUTCOME)
        assert list(answers(path)) == [*whole_answers, C]  # what comes after it is whole
    assert set_aside(path) == b""  # a kill is no damage


def test_nothing_stays_of_a_long_line_that_was_cut(path: Path) -> None:
    journal_of(path, A)
    path.write_bytes(path.read_bytes() + b"x" * 10_000)
    journal_of(path, B)
    assert b"xx" not in path.read_bytes()
    assert list(answers(path)) == [A, B]


GARBAGE = [b"\0\0\0\n", b"{}\n", b"[]\n", b"3\n", b'"x"\n', b"\xff\n", b"[" * 9000 + b"\n"]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_one_bad_line_is_set_aside_and_the_good_ones_behind_it_are_kept(
    path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [f"{number:064x}" for number in range(100)]
    journal_of(path, *texts)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], garbage, *lines[4:]]))
    assert list(answers(path)) == texts
    assert set_aside(path) == garbage
    assert garbage not in path.read_bytes()
    assert "1 of the journal's 103 lines" in caplog.text
    caplog.clear()
    assert list(answers(path)) == texts
    assert not caplog.text  # it is told once


def damaged(path: Path, **changes: Any) -> bytes:
    """Change the second of three answers' lines; returns it as it stands now."""
    journal_of(path, A, B, C)
    lines = path.read_bytes().splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if B.encode() in line)
    values = json.loads(lines[place]) | {"crc32": ...} | changes  # as an older version wrote it
    kept = {name: value for name, value in values.items() if value is not ...}
    lines[place] = json.dumps(kept).encode() + b"\n"
    path.write_bytes(b"".join(lines))
    return lines[place]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "schema"},
        {"status": "schema", "answer": None},
        {"answer": None},
        {"answer": ["yes"]},
        {"text": "b"},
        {"text": B.upper()},
        {"text": 7},
        {"attempts": "1"},
        {"attempts": True},
        {"attempts": 2**31},
        {"prompt_tokens": -1},
        {"prompt_tokens": 20.5},
        {"seconds": "0.5"},
        {"seconds": float("nan")},
        {"answered_at": "yesterday"},
        {"answered_at": "2026-01-01T00:00:00"},
        {"engine": None},
        {"engine": ...},
        {"further": 1},
        {"job": 2},
        {"job": ...},
    ],
    ids=str,
)
def test_a_line_that_is_no_accepted_answer_is_set_aside(
    path: Path, changes: dict[str, Any]
) -> None:
    bad = damaged(path, **changes)
    assert list(answers(path)) == [A, C]
    assert set_aside(path) == bad


def test_an_answer_that_the_schema_does_not_take_is_not_reused(path: Path) -> None:
    bad = damaged(path, answer={"reason": "(1) Banana"})
    with Journal(path, KEY, lambda answer: answer["reason"] != "(1) Banana") as journal:
        assert list(journal.answers) == [A, C]
    assert set_aside(path) == bad


def test_answers_whose_runs_start_is_lost_are_given_to_no_other_run(path: Path) -> None:
    """Another model answered them, perhaps; nobody can say."""
    other = replace(KEY, model_digest="e" * 64)
    journal_of(path, A)
    journal_of(path, B, key=other)
    journal_of(path, C)
    lines = path.read_bytes().splitlines(keepends=True)
    starts = [n for n, line in enumerate(lines) if b'"key"' in line]
    lines[starts[1]] = b"\0" * 40 + b"\n"
    path.write_bytes(b"".join(lines))
    with Journal(path, KEY, anything) as journal:
        assert list(journal.answers) == [A, C]
        assert journal.jobs == 4
    assert list(answers(path, other)) == []
    assert B.encode() in set_aside(path)


def test_a_job_that_sets_lines_aside_still_keeps_others_off(path: Path) -> None:
    damaged(path, status="schema")
    with Journal(path, KEY, anything) as journal:
        assert other_job(path) == 3
        journal.accept(B, OUTCOME)
    assert list(answers(path)) == [A, C, B]


def test_what_is_set_aside_is_the_owners_alone(path: Path) -> None:
    old = os.umask(0)
    try:
        damaged(path, status="schema")
        journal_of(path)
    finally:
        os.umask(old)
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
    assert names_in(path.parent) == ["0001.journal.jsonl", "0001.journal.rejected.jsonl"]


def test_a_cost_that_can_not_be_is_set_aside(path: Path) -> None:
    journal_of(path, A)
    bad = b'{"spent": {"seconds": -5.0, "asked": 1, "tokens": 1}, "job": 1}\n'
    path.write_bytes(path.read_bytes() + bad)
    with Journal(path, KEY, anything) as journal:
        assert journal.spent.seconds >= 0
    assert set_aside(path) == bad


def test_no_bit_that_flips_becomes_another_answer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer is what it was, or is set aside and asked again."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    journal_of(path, A, B)
    whole = path.read_bytes()
    with Journal(path, KEY, anything) as journal:
        before = dict(journal.answers)
    for bit in random.Random(7).sample(range(len(whole) * 8), 300):
        damaged_bytes = bytearray(whole)
        damaged_bytes[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged_bytes)
        with Journal(path, KEY, anything) as journal:
            assert journal.answers.items() <= before.items(), bit
            assert journal.spent.asked <= 2


@pytest.mark.parametrize("block", [1, 64, 4096])
def test_a_block_of_zeros_costs_its_own_lines_alone(path: Path, block: int) -> None:
    """What a file system leaves of a block that was not yet on the disk when the power went."""
    texts = [f"{number:064x}" for number in range(60)]
    journal_of(path, *texts)
    whole = path.read_bytes()
    begins = len(whole) // 3
    path.write_bytes(whole[:begins] + b"\0" * block + whole[begins + block :])
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    hit = sum(begins < end and start < begins + block for start, end in pairwise([0, *ends]))
    kept = list(answers(path))
    assert set(kept) <= set(texts)
    assert len(kept) >= len(texts) - hit - 1


def test_doubled_lines_are_one_answer_and_the_cost_is_counted_once(path: Path) -> None:
    journal_of(path, A, B)
    lines = path.read_bytes().splitlines(keepends=True)
    with Journal(path, KEY, anything) as journal:
        cost = journal.spent.asked
    path.write_bytes(b"".join(line for line in lines for _ in range(2)))
    with Journal(path, KEY, anything) as journal:
        assert list(journal.answers) == [A, B]
        assert journal.spent.asked == cost


def test_an_older_versions_journal_is_not_asked_again(path: Path) -> None:
    journal_of(path, A, B)
    with_sums = path.read_bytes()
    without = re.sub(rb', "crc32": "[0-9a-f]{8}"', b"", with_sums)
    assert without != with_sums
    path.write_bytes(without)
    assert list(answers(path)) == [A, B]
    assert path.read_bytes().startswith(without)


OTHERS = replace(OUTCOME, answer={"reason": "another's"})
LINES = st.tuples(st.integers(0, 30), st.integers(0, 30))
DAMAGES = st.lists(
    st.tuples(
        st.sampled_from(["cut", "double", "lose", "move", "foreign", "flip", "garbage"]), LINES
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def ours_and_anothers(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], list[bytes]]:
    """Lines of two journals over the same texts, of one job each, whose answers differ."""
    found = []
    for key, outcome in ((KEY, OUTCOME), (replace(KEY, experiment="fever-456"), OTHERS)):
        path = tmp_path_factory.mktemp("journal") / "0001.journal.jsonl"
        for _ in range(2):
            with Journal(path, key, anything) as journal:
                for number in range(4):
                    journal.accept(f"{number + len(journal.answers):064x}", outcome)
        found.append(path.read_bytes().splitlines(keepends=True))
    return found[0], found[1]


@given(damages=DAMAGES)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_it_is_damaged_no_answer_is_changed_invented_or_anothers(
    tmp_path_factory: pytest.TempPathFactory,
    ours_and_anothers: tuple[list[bytes], list[bytes]],
    damages: list[tuple[str, tuple[int, int]]],
) -> None:
    """Torn, doubled, lost, moved and foreign lines, flipped bits and garbage, one upon another."""
    ours, anothers = ours_and_anothers
    path = tmp_path_factory.getbasetemp() / "damaged" / "0001.journal.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(damaged_lines(ours, anothers, damages)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # nothing is lost here but by the damage
        kept, again = answers(path), answers(path)
    assert again == kept  # as the next job finds it, with the rest set aside
    assert all(outcome.answer == OUTCOME.answer for outcome in kept.values())
    assert set(kept) <= {line[10:74].decode() for line in ours if line.startswith(b'{"text": "')}


def damaged_lines(
    ours: list[bytes], anothers: list[bytes], damages: list[tuple[str, tuple[int, int]]]
) -> list[bytes]:
    lines = list(ours)
    for what, (one, other) in damages:
        at = one % len(lines)
        match what:
            case "cut":
                lines[at] = lines[at][: other * 9 % (len(lines[at]) + 1)]
            case "double":
                lines.insert(other % len(lines), lines[at])
            case "lose" if len(lines) > 1:
                del lines[at]
            case "move":
                lines.insert(other % len(lines), lines.pop(at))
            case "foreign":
                lines.insert(at, anothers[other % len(anothers)])
            case "flip":
                byte = other * 7 % max(len(lines[at]), 1)
                line = bytearray(lines[at] or b" ")
                line[byte] ^= 1 << other % 8
                lines[at] = bytes(line)
            case "garbage":
                lines.insert(at, GARBAGE[other % len(GARBAGE)])
    return lines

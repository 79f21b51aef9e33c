"""notemill.tasks.sentences"""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notemill.tasks.sentences import MOST, numbered, sentences

PIECES = st.sampled_from(
    [
        *"aA .,?!:;\n\r\t()[]\"'%1-。！」肺é\x0b\x85\u2028\xa0\u200b🙂",
        "[3] ",
        "\n[2] ",
        "Dr. ",
        "e.g. ",
        "mg. ",
        "3.5",
        "1. ",
        "\n\n",
        "x" * 45 + "\nand ",
        "fever. ",
        "No cough. ",
    ]
)
NOTES = st.lists(PIECES, max_size=40).map("".join)


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("No fever. Cough for 3.5 days.", ["No fever.", "Cough for 3.5 days."]),
        ("Seen by Dr. House, J. R. Doe and Mrs. Roe. She left.", 2),
        ("Takes drugs, e.g. Aspirin, i.e. ASA. Well.", 2),
        ("Aspirin 81 mg. daily. Took 5 mg. 2 tabs. Denies pain.", 3),
        ("Is it? Yes! It is.", ["Is it?", "Yes!", "It is."]),
        ('He said "no." (He had pain.) Then none.', 3),
        ("1. Asthma. 2. COPD.", ["1. Asthma.", "2. COPD."]),
        ("IMPRESSION:  No effusion.", 1),
        ("Temp: 38.4\nPulse: 80\r\nSpO2: 97%", ["Temp: 38.4", "Pulse: 80", "SpO2: 97%"]),
        ("medication:\naspirin\nmetoprolol", ["medication:", "aspirin", "metoprolol"]),
        ("There is no evidence of a focal consolidation or\nof an effusion. Heart normal.", 2),
        ("There is no evidence of a focal consolidation or\n\nof an effusion.", 2),
        ("两肺纹理增多。未见明显实变影。", ["两肺纹理增多。", "未见明显实变影。"]),
        ("seen. he left... and came back.", 1),
        ("  one \n\n\n two  ", ["one", "two"]),
        ("", []),
        (" \n ", []),
        ("x", ["x"]),
    ],
)
def test_a_sentence_ends_where_a_reader_would_say(text: str, parts: list[str] | int) -> None:
    found = split(text)
    assert (len(found) if isinstance(parts, int) else found) == parts


@given(NOTES)
@example("a.\x1c B")
def test_sentences_hold_all_of_a_text_but_white_space_between_them(text: str) -> None:
    at = 0
    for start, end in sentences(text):
        assert at <= start < end
        assert not text[at:start].strip()
        assert not text[start].isspace()
        assert not text[end - 1].isspace()
        at = end
    assert not text[at:].strip()


@given(NOTES)
@example("[3] a\n[1] b\r[2] c\x85[4] d\u2028[7] e")
@example("x" * 60 + "\n[9] b. [3] c\n" + "y" * 60 + "\nand [1] d")
def test_a_number_at_the_beginning_of_a_line_is_ours_whatever_the_note_holds(text: str) -> None:
    lines = [line.strip() for line in numbered(text).splitlines() if line.strip()]
    numbers = [re.match(r"\[([0-9]+)\] ", line) for line in lines]
    assert [int(found[1]) for found in numbers if found] == list(range(1, len(split(text)) + 1))
    assert len(numbers) == len(split(text))
    # Nothing of the note is lost on the way but the line ends within a sentence.
    said = ["".join(line.partition("] ")[2].split()) for line in lines]
    assert said == ["".join(sentence.split()) for sentence in split(text)]


def test_empty_lines_and_indentation_stay() -> None:
    assert numbered("One.\n\n   Two. Three.\n") == "[1] One.\n\n   [2] Two.\n[3] Three."


def test_a_text_has_a_bounded_number_of_sentences_and_its_last_has_the_rest() -> None:
    text = "No. " * 50_000
    assert len(sentences(text)) == MOST
    assert sentences(text)[-1][1] == len(text.rstrip())


def test_what_has_no_end_is_cut_at_white_space() -> None:
    text = "word " * 2_000
    assert max(len(part) for part in split(text)) < 1_010
    assert len(split("x" * 100_000)) == 1


def test_a_text_of_megabytes_is_bounded_work() -> None:
    """Each of these grew with the square of its length, were a run looked at from all its ends."""
    for text in (
        " " * 4_000_000 + "a",
        "a" + "\n " * 2_000_000 + "b",
        "x" * 4_000_000,
        "." * 10**6,
    ):
        assert len(sentences(text)) <= 2
        numbered(text)

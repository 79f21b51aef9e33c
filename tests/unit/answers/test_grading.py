"""notemill.answers.grading"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from notemill.answers.evidence import says_enough, trimmed
from notemill.answers.grades import FOUND, Grade
from notemill.answers.grading import Graded, grade
from notemill.answers.searching import SearchedNote, normalised
from notemill.tasks.evidence import Evidence
from notemill.tasks.sentences import numbered, sentences

QUOTE = Evidence(field="words")
NUMBER = Evidence(field="words", numbered=True)
NOTE = (
    "\N{STETHOSCOPE} Chest X-ray: Right lower lobe consolidation, likely pneumonia. "
    "No fever at home,\nnot coughing. Temperature was 38.4 today. No evidence of effusion."
)
SOME = "fever No 38.4 the lobe, Lunge groß 肺炎 X-ray 120/80 (none) of evidence pneumonia."
WORDS = st.sampled_from([*SOME.split(), "cafe\u0301", "\ufb01brosis", "\U0001f642", '"clear"'])
NOTES = st.lists(st.tuples(WORDS, st.sampled_from([" ", "\n", "  ", "\xa0"])), min_size=4).map(
    lambda pairs: "".join(word + space for word, space in pairs).strip()
)


def graded(note: str, words: Any, evidence: Evidence = QUOTE) -> Graded:
    return grade(note, {"words": words, "response": "yes"}, evidence)


def shown(note: str, found: Graded) -> str | None:
    return note[slice(*found.first)] if found.first else None


@pytest.mark.parametrize(
    ("words", "expected", "place"),
    [
        ("Right lower lobe consolidation", "exact", "Right lower lobe consolidation"),
        ("No fever at home,\nnot coughing", "exact", "No fever at home,\nnot coughing"),
        (" likely pneumonia. ", "exact", "likely pneumonia."),
        ("right lower lobe CONSOLIDATION", "normalised", "Right lower lobe consolidation"),
        ("No fever at home, not coughing", "normalised", "No fever at home,\nnot coughing"),
        ('"Right lower lobe consolidation."', "normalised", "Right lower lobe consolidation"),
        ("“…likely pneumonia…”", "normalised", "likely pneumonia"),
        ("likely pneumonia!", "near", "likely pneumonia"),
        (
            "Right lower lobe ... likely pneumonia",
            "ellipsis",
            "Right lower lobe consolidation, likely pneumonia",
        ),
        (
            '"chest x-ray: right [...] Temperature was 38.4"',
            "ellipsis",
            NOTE[2 : NOTE.index(" today")],
        ),
        ("likely pneumonia … Right lower lobe", "absent", None),
        ("Right lower lobe ... pneumonia", "absent", None),
        ("Left lower lobe consolidation", "near", None),
        ("Temperature was 38.9 today", "near", None),
        ("evidence of effusion", "exact", "evidence of effusion"),
        ("Evidence of a right-sided pleural effusion", "absent", None),
        ("The heart is of normal size", "absent", None),
        ("consolidation, likely pneumoni", "near", None),
        ("pneumonia", "not_a_quote", None),
        ("No fever", "not_a_quote", None),
        ("- ? -", "not_a_quote", None),
        ("", "none", None),
        (" \n", "none", None),
        ("...", "none", None),
        ('""', "none", None),
        (None, "none", None),
        ([], "none", None),
        (["", None], "none", None),
        (["No evidence of effusion", "likely pneumonia"], "exact", "No evidence of effusion"),
        (["pneumonia", "likely pneumonia"], "not_a_quote", "likely pneumonia"),
        (["Temperature was 38.9 today", "likely pneumonia"], "near", "likely pneumonia"),
        (["The heart is normal", "Temperature was 38.9 today"], "absent", None),
        (["The heart is normal", "LIKELY pneumonia", ""], "absent", "likely pneumonia"),
    ],
)
def test_a_quote_is_graded_by_what_the_note_has(
    words: Any, expected: str, place: str | None
) -> None:
    found = graded(NOTE, words)
    assert found.grade == expected
    if place is not None or found.grade in FOUND:
        assert shown(NOTE, found) == place
    assert (found.values()["evidence_start"] is None) == (found.first is None)


@pytest.mark.parametrize(
    ("note", "quote"),
    [
        ("There is evidence of pneumonia.", "There is no evidence of pneumonia."),
        ("No evidence of pneumonia.", "Now evidence of pneumonia"),
        ("The fever was 38.4 at noon.", "The fever was 38.9 at noon."),
        ("The fever was 38.45 at noon.", "The fever was 38.4"),
        ("Opacity in the left lower lobe.", "Opacity in the right lower lobe."),
        ("The patient has no known allergies.", "The patient has known allergies."),
        ("She takes metoprolol 25 mg daily.", "She takes metoprolol 50 mg daily."),
        ("He is a non-smoker with a cough.", "smoker with a cough"),
    ],
)
def test_what_differs_by_a_word_or_a_digit_is_shown_and_never_found(note: str, quote: str) -> None:
    found = graded(note, quote)
    assert found.grade in (Grade.NEAR, Grade.ABSENT)
    assert not found.places


def test_a_near_match_shows_its_place() -> None:
    found = graded(NOTE, "Temperature was 38.9 today")
    assert found.grade is Grade.NEAR
    assert shown(NOTE, found) == "Temperature was 38.4 today"
    accents = "\N{STETHOSCOPE} Caf\xe9. Opacity in the left lower lobe."
    near = graded(accents, "Opacity in the left upper lobe")
    assert near.grade is Grade.NEAR
    assert (shown(accents, near) or "").startswith("Opacity in the left lower")


def test_words_that_say_there_is_nothing_are_no_quote_that_is_absent() -> None:
    said = "The note does not address it"
    assert graded(NOTE, said).grade is Grade.ABSENT
    told = Evidence(field="words", nothing=(said, "n/a"))
    for words in (said, "the note  does not address it.", "N/A", [said, ""]):
        assert graded(NOTE, words, told).grade is Grade.NONE
    assert graded(NOTE, [said, "likely pneumonia"], told).grade is Grade.EXACT
    assert graded(NOTE, "The note does address it", told).grade is Grade.ABSENT


@given(NOTES, st.data())
def test_any_words_of_a_note_are_exact_and_where_they_stand(note: str, data: st.DataObject) -> None:
    words = [match.span() for match in re.finditer(r"\S+", note)]
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    quote = note[words[first][0] : words[last][1]]
    assume(says_enough(trimmed(quote)))
    found = graded(note, quote)
    assert found.grade is Grade.EXACT
    assert shown(note, found) == quote


@given(NOTES, st.data())
def test_a_place_that_counts_as_found_gives_back_the_quote(note: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(note)))
    quote = note[start : start + data.draw(st.integers(1, 40))]
    change = data.draw(st.sampled_from([str.upper, str.title, _spread, _decomposed]))
    quote = change(quote)
    found = graded(note, quote)
    if found.grade in (Grade.EXACT, Grade.NORMALISED):
        # But for the marks around a quote, which are no words of it.
        there, wanted = (
            "".join(filter(str.isalnum, normalised(text)))
            for text in (shown(note, found) or "", quote)
        )
        assert there == wanted


def _spread(text: str) -> str:
    return "\n  ".join(text.split())


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFKD", text)


@given(st.lists(st.sampled_from([*"aB. \t\n\x1c'-3"]), max_size=40).map("".join), st.data())
def test_notes_of_ascii_are_found_in_as_all_others_are(text: str, data: st.DataObject) -> None:
    """They take a shorter way, which must lead to the same places."""
    start = data.draw(st.integers(0, len(text)))
    quote = text[start : start + data.draw(st.integers(1, 10))].strip().upper()
    assume(quote)
    since = data.draw(st.integers(0, len(text)))
    places = list(SearchedNote(text).alike(quote, since))
    assert places == list(SearchedNote(text + " \N{SNOWMAN}").alike(quote, since))
    assert places == [span for span in SearchedNote(text).alike(quote) if span.start >= since]


@pytest.mark.parametrize(
    ("numbers", "expected", "place"),
    [
        (2, "exact", "No fever at home,\nnot coughing."),
        ([2], "exact", "No fever at home,\nnot coughing."),
        ([2, 3], "exact", "No fever at home,\nnot coughing. Temperature was 38.4 today."),
        ([4, 2], "exact", "No evidence of effusion."),
        ([2, 2], "exact", "No fever at home,\nnot coughing."),
        ([9, 3], "absent", "Temperature was 38.4 today."),
        (0, "absent", None),
        (-1, "absent", None),
        ([2**62], "absent", None),
        (None, "none", None),
        ([], "none", None),
    ],
)
def test_sentences_are_found_by_their_numbers(
    numbers: Any, expected: str, place: str | None
) -> None:
    note = NOTE.replace(",\nnot", ", and there is no pain in the chest,\nnot")
    place = place and place.replace(",\nnot", ", and there is no pain in the chest,\nnot")
    found = graded(note, numbers, NUMBER)
    assert found.grade == expected
    assert shown(note, found) == place


@given(NOTES, st.data())
def test_the_sentence_that_bears_a_number_is_the_one_that_is_told(
    note: str, data: st.DataObject
) -> None:
    note = f"[2] {note}. [1] {note}\n[3] end"
    number = data.draw(st.integers(1, len(sentences(note))))
    line = next(
        line for line in numbered(note).splitlines() if line.strip().startswith(f"[{number}] ")
    )
    found = graded(note, number, NUMBER)
    said = line.strip().removeprefix(f"[{number}] ")
    assert (shown(note, found) or "").split() == said.split()

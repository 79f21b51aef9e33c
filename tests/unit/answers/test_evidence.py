"""notemill.answers.evidence"""

from __future__ import annotations

import re
import unicodedata
from functools import partial

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from notemill.answers.evidence import evidence_in, merged, quotes_of
from notemill.answers.searching import SearchedNote, Span, normalised

SCHEMA = {
    "properties": {
        "response": {"enum": ["(1) Likely", "lungs are clear today"]},
        "explanation": {"type": "string"},
        "quotes": {"type": "array", "items": {"$ref": "#/$defs/Quote"}},
    },
    "$defs": {
        "Quote": {"properties": {"side": {"enum": ["on the left side"]}, "words": {}}},
    },
}


def marked(note: str, **answer: object) -> list[str]:
    """What is marked in the note for an answer."""
    return [note[start:end] for start, end in evidence_in(note, answer, SCHEMA)]


def found(note: str, quote: str) -> list[str]:
    return [note[start:end] for start, end in SearchedNote(note).find(quote)]


def test_a_free_text_that_stands_in_the_note_is_found_there() -> None:
    note = "Cough.\nRight lower lobe consolidation, likely pneumonia."
    assert marked(note, explanation="Right lower lobe consolidation") == [
        "Right lower lobe consolidation"
    ]


def test_what_an_explanation_quotes_is_found_whatever_the_quotation_marks() -> None:
    note = "Lungs are clear. No fever at home. Denies a cough now."
    for said in (
        'It says "lungs are clear" only.',
        "It says “lungs are clear” only.",
        "Es heißt „lungs are clear“ dort.",
        "Il dit «lungs are clear» ici.",
        "It says ‘lungs are clear’ only.",
        "It's said: 'lungs are clear' only.",
        'It says "... lungs are clear ..." only.',
        'It says "lungs are clear," only.',
    ):
        assert marked(note, explanation=said) == ["Lungs are clear"], said
    both = 'It has "Lungs are clear" and "No fever at home."'
    assert marked(note, explanation=both) == ["Lungs are clear", "No fever at home"]


def test_quotes_in_lists_and_objects_are_found_and_choices_are_not() -> None:
    note = "Pain on the left side. The lungs are clear today, no cough at all."
    answer = {
        "response": "lungs are clear today",
        "quotes": [{"side": "on the left side", "words": "no cough at all"}, {"words": 3}],
    }
    assert marked(note, **answer) == ["no cough at all"]
    spans = evidence_in(note, answer, None)
    assert [note[start:end] for start, end in spans] == [
        "on the left side",
        "lungs are clear today",
        "no cough at all",
    ]


@pytest.mark.parametrize(
    ("note", "quote"),
    [
        ("No sign of pneumonia.", "Evidence of pneumonia"),
        ("Temperature was 38.4 today.", "Temperature was 38.9 today"),
        ("Temperature was 38.45 today.", "Temperature was 38.4"),
        ("Temperature was 38.4 today.", "Temperature was 38"),
        ("Temperature was 38.4 today.", "8.4 today"),
        ("Took 0.4 mg of morphine.", "4 mg of morphine"),
        ("Blood pressure was 120/80.", "Blood pressure was 120"),
        ("For 2-3 days a cough.", "3 days a cough"),
        ("A non-smoker with a cough.", "smoker with a cough"),
        ("Signs of pneumonitis are seen.", "Signs of pneumoni"),
        ("Opacity in the left lower lobe.", "Opacity in the right lower lobe"),
        ("Seen at the cafe\u0301 at noon.", "Seen at the cafe"),
        ("Seen at the caf\xe9 at noon.", "Seen at the cafe"),
        ("Fraktur der gro\xdfen Zehe", "Fraktur der gros"),
        ("", "Evidence of pneumonia"),
    ],
)
def test_a_near_miss_is_never_found(note: str, quote: str) -> None:
    assert found(note, quote) == []


@pytest.mark.parametrize(
    ("note", "quote", "there"),
    [
        ("a LUNGS  are\r\n\tclear b", "lungs are clear", "LUNGS  are\r\n\tclear"),
        ("x fever\N{NO-BREAK SPACE}of 39 C", "Fever of 39 c", "fever\N{NO-BREAK SPACE}of 39 C"),
        ("\N{LATIN SMALL LIGATURE FI}brosis is seen", "fibrosis is", "\ufb01brosis is"),
        ("Fraktur der gro\xdfen Zehe", "FRAKTUR DER GROSSEN ZEHE", "Fraktur der gro\xdfen Zehe"),
        ("au cafe\u0301 hier", "au caf\xe9 hier", "au cafe\u0301 hier"),
        ("\U0001f642 au caf\xe9 hier", "AU CAFE\u0301 HIER", "au caf\xe9 hier"),
        ("폐렴이 있음", unicodedata.normalize("NFD", "폐렴이 있음"), "폐렴이 있음"),
        ("ﾊﾞｲﾀﾙは正常です", "バイタルは正常です", "ﾊﾞｲﾀﾙは正常です"),
        ("两肺纹理增多、未见明显实变影", "未见明显实变影", "未见明显实变影"),
        ("fever.No cough today", "No cough today", "No cough today"),
        ("No evidence of pneumonia.", "evidence of pneumonia", "evidence of pneumonia"),
    ],
)
def test_case_white_space_and_ways_of_writing_do_not_hide_a_quote(
    note: str, quote: str, there: str
) -> None:
    assert found(note, quote) == [there]


def test_the_same_characters_come_before_those_that_are_alike() -> None:
    assert SearchedNote("LUNGS ARE CLEAR. lungs are clear.").find("lungs are clear") == [
        Span(17, 32)
    ]
    assert len(SearchedNote("lungs are clear, lungs are clear").find("lungs are clear")) == 2
    assert SearchedNote("noo o o o").find("o o o") == [Span(4, 9)]


def test_a_word_or_two_is_no_quote() -> None:
    for short in ("", " ", "no", "cough", "Pneumonia.", "the lung", "- - -", "1 2 3", "a b c"):
        assert quotes_of(short) == [], short
    for long in ("no cough now", "pleural effusion", "pneumothorax", "未见明显实变影 两肺纹理增多"):
        assert quotes_of(long) == [long]
    assert marked("no no no cough cough", explanation='"no" "cough" "no cough"') == []


def test_an_answer_full_of_apostrophes_is_no_work() -> None:
    """Tens of thousands, each of which might begin a quote: bounded work, nothing quoted."""
    assert quotes_of("x 'a" * 20_000) == [("x 'a" * 20_000).strip()]


def test_finds_that_overlap_are_one() -> None:
    note = "the right lower lobe is dense and dull"
    said = '"right lower lobe is dense" and "lower lobe is dense and dull"'
    assert marked(note, explanation=said) == ["right lower lobe is dense and dull"]
    assert merged([Span(5, 6), Span(0, 2), Span(1, 4), Span(4, 5)]) == [Span(0, 6)]
    assert merged([Span(4, 6), Span(0, 2)]) == [Span(0, 2), Span(4, 6)]


ODD = st.sampled_from(
    "aAbß \t\n\xa0\u2028e\u0301\u0323ǆﬃİıςΣ\u0345ᾳ½…ﷺ각\u1100\u1161\u11a8"
    "ﾊﾞカ゛\u3099\U0001f642.-9１\ufe0f\xad¨ſ"
    "\U00016d63\U00016d67\u09c7\u09be"
)
FORMS = [partial(unicodedata.normalize, form) for form in ("NFC", "NFD", "NFKC", "NFKD")]
NOTES = st.lists(ODD, max_size=30).map("".join)


@given(NOTES, st.data())
def test_each_place_normalises_to_what_was_looked_for(note: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(note)))
    quote = note[start : start + data.draw(st.integers(1, 10))]
    changed = data.draw(st.sampled_from([str, str.upper, str.casefold, *FORMS, str.split]))(quote)
    quote = "  ".join(changed) if isinstance(changed, list) else changed
    spans = SearchedNote(note).find(quote)
    for span in spans:
        assert 0 <= span.start < span.end <= len(note)
        assert normalised(note[span.start : span.end]) == normalised(quote.strip())


@given(NOTES)
def test_a_note_quoted_whole_is_found_however_it_is_written(note: str) -> None:
    assume(note.strip() and not unicodedata.category(note.strip()[0]).startswith("M"))
    for written in (note, note.upper(), *(form(note) for form in FORMS)):
        if normalised(note.strip()) == normalised(written.strip()):
            places = SearchedNote(note).find(written)
            assert [note[start:end] for start, end in places] == [note.strip()]


@given(NOTES)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@given(NOTES)
@example("x\u0301\u0323 y")
def test_pieces_are_normalised_as_the_whole_text_is(text: str) -> None:
    text = text.translate({ord(accent): None for accent in "゛¨"})  # they keep apart from spaces
    whole = text
    for form in ("NFD", "NFKD", "NFKC"):
        whole = unicodedata.normalize(form, whole).casefold()
    assert normalised(text) == re.sub(r"\s+", " ", unicodedata.normalize("NFKC", whole))

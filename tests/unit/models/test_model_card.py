"""The shipped model is the one on its card; the notes that it is scored on are what they say."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

from models.notes import (
    MAX_CHARS,
    NOT_ADDRESSED,
    RESPONSE_OF_KIND,
    RESPONSES,
    UNABLE,
    draw,
    patterns,
)
from models.templates import CONDITIONS, FILLER, JOINT, LAYOUTS, SPLITS, STATEMENTS

MODELS = Path(__file__).parents[3] / "models"


def blocks_of(split: str) -> list[str]:
    tables = [*STATEMENTS.values(), *JOINT.values(), FILLER, LAYOUTS]
    return [table[split] for table in tables]


def patterns_of(split: str) -> set[str]:
    return {
        pattern
        for block in blocks_of(split)
        for condition in CONDITIONS
        for pattern in patterns(block, condition)
    }


def test_shipped_weights_are_those_on_the_card() -> None:
    weights = (MODELS / "notemill-tiny.gguf").read_bytes()
    assert hashlib.sha256(weights).hexdigest() in (MODELS / "CARD.md").read_text()
    assert len(weights) <= 5_000_000


def test_same_seed_same_notes_and_another_seed_other_notes() -> None:
    assert draw(50, 7) == draw(50, 7)
    assert draw(50, 7) != draw(50, 8)


def test_a_longer_draw_begins_with_the_shorter_one() -> None:
    assert draw(20, 7) == draw(50, 7)[:20]


@pytest.mark.parametrize("split", SPLITS)
def test_gold_follows_from_the_deciding_statement(split: str) -> None:
    for note in draw(400, 3, split):
        for condition in CONDITIONS:
            answer, kind = note.answers[condition], note.kinds[condition]
            assert answer.response == RESPONSE_OF_KIND.get(kind, UNABLE)
            if kind in RESPONSE_OF_KIND:
                assert answer.explanation in note.text
            else:
                assert answer.explanation == NOT_ADDRESSED
            assert 1 <= len(answer.explanation.split()) <= 20


@pytest.mark.parametrize("split", SPLITS)
def test_a_note_that_does_not_address_a_condition_has_no_deciding_pattern_for_it(
    split: str,
) -> None:
    deciding = {
        condition: {
            p for kind in RESPONSE_OF_KIND for p in patterns(STATEMENTS[kind][split], condition)
        }
        for condition in CONDITIONS
    }
    both = {p for table in JOINT.values() for p in patterns(table[split])}
    checked = 0
    for note in draw(600, 4, split):
        if not set(note.kinds.values()) & set(RESPONSE_OF_KIND):
            checked += 1
            assert not set(note.patterns) & (set.union(*deciding.values()) | both)
    assert checked


def test_every_kind_and_response_occurs() -> None:
    notes = draw(600, 5)
    for condition in CONDITIONS:
        kinds = Counter(note.kinds[condition] for note in notes)
        assert set(kinds) == {*RESPONSE_OF_KIND, "past", "mention", "absent"}
        responses = Counter(note.answers[condition].response for note in notes)
        assert set(responses) == set(RESPONSES)
        assert min(responses.values()) > 0.25 * len(notes)


def test_the_two_questions_often_have_different_answers() -> None:
    notes = draw(600, 5)
    differ = sum(len({a.response for a in note.answers.values()}) > 1 for note in notes)
    assert differ > len(notes) / 2


def test_notes_are_bounded_and_of_many_lengths() -> None:
    lengths = [len(note.text) for note in draw(600, 5)]
    assert min(lengths) < 60
    assert 1000 < max(lengths) <= MAX_CHARS


def test_held_out_templates_are_in_no_other_split() -> None:
    train, validation, held_out = map(patterns_of, SPLITS)
    assert not held_out & (train | validation)
    assert not validation & train


def test_no_training_sentence_is_one_that_a_held_out_template_makes() -> None:
    def quotes(split: str, count: int) -> set[str]:
        notes = draw(count, 8, split)
        return {a.explanation.lower() for n in notes for a in n.answers.values()}

    assert quotes("held_out", 3000) & quotes("train", 5000) == {NOT_ADDRESSED.lower()}


@pytest.mark.parametrize("split", SPLITS)
def test_notes_are_made_of_their_own_split(split: str) -> None:
    used = {pattern for note in draw(400, 6, split) for pattern in note.patterns}
    assert used <= patterns_of(split)
    assert len(used) > 0.8 * len(patterns_of(split))


def test_no_pattern_quotes_what_the_json_would_escape() -> None:
    for split in SPLITS:
        assert not [p for p in patterns_of(split) if re.search(r'["\\]', p)]

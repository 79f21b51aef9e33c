"""notemill.comparison.compare: what two experiments answered, held against each other."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar

from notemill.answers.experiment_record import asked_of
from notemill.comparison.record import ANOTHER, NO_ANSWER
from notemill.comparison.sides import fields_of
from notemill.errors import NotemillError
from tests.unit.comparison.sides import NO, NULL, OTHER, YES, Sides, earlier, field
from tests.unit.conftest import Clinic
from tests.unit.loads import ID


def test_notes_are_counted_and_texts_beside_them_and_blank_ones_are_in_neither(
    sides: Sides,
) -> None:
    record = sides.compare()
    choices = field(record, "response").choices
    assert choices
    assert choices.labels == ["yes", "no", "null", NO_ANSWER]
    assert choices.table == [[1, 0, 1, 1], [3, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert choices.texts == [[1, 0, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert (record.notes, record.texts) == (7, 5)
    assert record.both_answered == 5
    assert (record.only_first_answered, record.only_second_answered) == (1, 1)
    assert record.neither_answered == 0
    assert (choices.answered.agreement.value, choices.answered.agreement.n) == (1 / 5, 5)
    assert (choices.all.agreement.value, choices.all.agreement.n) == (1 / 7, 7)
    assert [(f.first, f.second, f.notes, f.texts) for f in choices.flips] == [
        ("no", "yes", 3, 1),
        (NO_ANSWER, "no", 1, 1),
        ("yes", NO_ANSWER, 1, 1),
        ("yes", "null", 1, 1),
    ]


def test_each_class_is_told_by_its_share_of_notes_and_tested_over_texts(sides: Sides) -> None:
    choices = field(sides.compare(), "response").choices
    assert choices
    yes, no, _ = choices.classes
    assert (yes.first.value, yes.second.value) == (3 / 7, 4 / 7)
    assert yes.difference.value == pytest.approx(1 / 7)
    assert (yes.only_first, yes.only_second, yes.p) == (2, 1, 1.0)
    assert no.difference.value == pytest.approx(-2 / 7)


def test_the_notes_that_flip_are_named_by_their_ids_alone_in_a_private_file(sides: Sides) -> None:
    record = sides.compare()
    path = sides.layout.flips("c")
    assert record.flips == path.name
    assert path.stat().st_mode & 0o777 == 0o600
    rows = pq.read_table(path).to_pylist()
    flipped = sorted((row["visit"], row["first"], row["second"]) for row in rows
                     if row["field"] == "response")  # fmt: skip
    assert flipped == [
        (2, "no", "yes"),
        (3, "no", "yes"),
        (4, "no", "yes"),
        (5, "yes", "null"),
        (6, NO_ANSWER, "no"),
        (8, "yes", NO_ANSWER),
    ]
    assert record.flipped == len({row["visit"] for row in rows}) == 6
    free = [row for row in rows if row["field"] == "reason"]
    assert {(row["first"], row["second"]) for row in free} == {(None, None)}


def test_no_word_of_a_note_or_an_answer_is_in_the_record_or_the_file(clinic: Clinic) -> None:
    notes = {n: f"SECRETNOTE{n}" for n in range(4)}
    said = {
        f"SECRETNOTE{n}": {"reason": f"SECRETWORD{n}", "findings": [f"SECRETITEM{n}"], "age": n}
        for n in range(4)
    }
    sides = Sides(clinic, notes, said, {})
    record = sides.compare()
    assert record.flipped == 4
    for path in (sides.layout.comparison("c"), sides.layout.flips("c")):
        assert b"SECRET" not in path.read_bytes()
    assert "SECRET" not in str(pq.read_table(sides.layout.flips("c")).to_pylist())


def test_numbers_are_told_by_how_far_they_are_apart(clinic: Clinic) -> None:
    ages = {
        "one": (40, 43),
        "two": (10, 10),
        "three": (5, 4),
        "four": (7, None),
        "five": (None,) * 2,
    }
    notes = dict(enumerate(["one", "one", "two", "three", "four", "five"], start=1))
    first = {text: {"age": age} for text, (age, _) in ages.items()}
    second = {text: {"age": age} for text, (_, age) in ages.items()}
    told = field(Sides(clinic, notes, first, second).compare(tolerance={"age": 1}), "age")
    assert told.numbers
    assert (told.numbers.difference.value, told.numbers.difference.n) == (5 / 4, 4)
    assert told.numbers.absolute.value == 7 / 4
    assert told.numbers.within.value == 2 / 4
    assert (told.same.value, told.same.n) == (2 / 6, 6)  # ten and ten; and no number from either
    flipped = pq.read_table(clinic.layout.flips("c")).to_pylist()
    assert sorted(row["visit"] for row in flipped) == [1, 2, 5]


def test_lists_are_told_by_the_items_that_both_have_in_whatever_order(clinic: Clinic) -> None:
    lists: dict[str, tuple[list[str], list[str]]] = {
        "one": (["a", "b"], ["b", "a"]),
        "two": (["a", "a"], ["a"]),
        "three": ([], []),
        "four": (["x"], ["y"]),
    }
    notes = dict(enumerate(["one", "two", "two", "three", "four"], start=1))
    sides = Sides(
        clinic,
        notes,
        {text: {"findings": one} for text, (one, _) in lists.items()},
        {text: {"findings": other} for text, (_, other) in lists.items()},
    )
    told = field(sides.compare(), "findings")
    assert told.items
    assert told.same.value == 2 / 5
    assert told.items.overlap.value == pytest.approx((2 + 2 * 1 + 0) / (2 + 2 * 2 + 2))


def test_figures_are_those_of_scikit_learn_and_statsmodels(clinic: Clinic) -> None:
    chance = random.Random(5)
    choices = [YES, NO, NULL]
    first = {f"text {n}": chance.choice(choices) for n in range(120)}
    second = {
        text: answer if chance.random() < 0.7 else chance.choice(choices)
        for text, answer in first.items()
    }
    copies = {text: chance.randint(1, 3) for text in first}
    texts = [text for text, count in copies.items() for _ in range(count)]
    sides = Sides(clinic, dict(enumerate(texts)), first, second, shards=3)
    told = field(sides.compare(), "response").choices
    assert told
    said = [[str(answers[text]) for text in texts] for answers in (first, second)]
    assert told.answered.kappa.value == pytest.approx(cohen_kappa_score(*said))
    assert told.answered.agreement.value == np.mean([a == b for a, b in zip(*said, strict=True)])
    for label, told_class in zip(choices, told.classes, strict=True):
        pairs = [(first[text] == label, second[text] == label) for text in first]
        table = [[pairs.count((a, b)) for b in (True, False)] for a in (True, False)]
        assert told_class.p == pytest.approx(mcnemar(table, exact=True).pvalue)
    # Notes of one text are alike: intervals are no narrower than those of independent notes.
    interval = told.answered.agreement
    p, n = interval.value or 0, interval.n
    assert (interval.high or 0) - (interval.low or 0) > 2 * 1.9 * (p * (1 - p) / n) ** 0.5


def test_the_same_in_other_shards_comes_to_the_same(clinic: Clinic, tmp_path: Path) -> None:
    """Whatever the number of shards and of rows at once: texts are whole, and seeds the same."""
    notes = {n: f"text {n % 37}" for n in range(200)}
    first = {f"text {n}": YES if n % 2 else NO for n in range(37)}
    second = {f"text {n}": YES if n % 3 else NO for n in range(37)}
    told = Sides(clinic, notes, first, second, shards=1).compare()
    (tmp_path / "other").mkdir()
    again = Sides(Clinic(tmp_path / "other"), notes, first, second, shards=5).compare()
    assert told.fields == again.fields
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("notemill.comparison.sides.ROWS", 7)
        few = Sides(Clinic(_folder(tmp_path)), notes, first, second, shards=2).compare()
    assert told.fields == few.fields


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "few"
    folder.mkdir()
    return folder


def test_nobody_answered_anything_and_figures_say_why(clinic: Clinic) -> None:
    sides = Sides(clinic, {1: "one", 2: " "}, {"one": "schema"}, {"one": "schema"})
    told = field(sides.compare(), "response")
    assert told.same.value is None
    assert told.same.why
    assert told.same_all.value == 0
    assert told.choices
    assert told.choices.answered.kappa.why
    assert told.choices.all.agreement.value == 0


def test_a_cohort_of_blank_notes_alone_has_no_figure_and_no_error(clinic: Clinic) -> None:
    record = Sides(clinic, {1: " ", 2: None}, {}, {}).compare()
    assert (record.notes, record.texts, record.flipped) == (0, 0, 0)
    assert field(record, "age").numbers
    assert field(record, "response").same.why


# What was asked


def test_what_was_asked_is_told_with_its_diff(sides: Sides) -> None:
    record = sides.compare()
    assert [each.part for each in record.differences] == [
        "system prompt", "user prompt", "schema", "JSON schema", "options", "model",
    ]  # fmt: skip
    assert all(each.known and not each.diff for each in record.differences)
    assert record.first.asked
    assert record.first.asked.system_prompt == sides.task.system_prompt


def test_an_earlier_prompt_is_told_by_its_record_whatever_the_task_says_now(sides: Sides) -> None:
    earlier(sides, system_prompt="You read fast.", options={"temperature": 1})
    record = sides.compare(known=(ID,))
    prompt = record.differences[0].diff.splitlines()
    assert prompt[-2:] == ["-You read notes.", "+You read fast."]
    assert "+temperature: 1" in record.differences[4].diff
    assert record.second.asked
    assert record.second.asked.system_prompt == "You read fast."
    assert "differ in system prompt and options" in record.remarks[0]
    choices = field(record, "response").choices
    assert choices
    assert choices.table == [[1, 0, 1, 1], [3, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]


def test_of_an_older_record_nothing_is_known_and_the_comparison_says_so(sides: Sides) -> None:
    """Its columns are taken as the other's; an answer that is none of its choices is another."""
    record = sides.compare(known=(ID,))
    assert record.second.asked is None
    assert not any(each.known for each in record.differences[:-1])
    assert "it is not known what was asked" in record.remarks[0]
    choices = field(record, "response").choices
    assert choices
    assert ANOTHER not in choices.labels
    assert choices.table[1] == [3, 0, 0, 0]
    with pytest.raises(NotemillError, match="nor of the other"):
        sides.compare(known=())


def test_an_answer_that_is_no_known_choice_is_counted_as_another_and_not_named(
    sides: Sides,
) -> None:
    """As of an older schema with one choice more."""
    schema = json.loads(json.dumps(sides.task.json_schema).replace('["yes", "no"]', '["no"]'))
    schema["properties"]["response"] = {"anyOf": [{"enum": ["no"]}, {"type": "null"}]}
    earlier(sides, json_schema=schema)
    choices = field(sides.compare(known=(ID,)), "response").choices
    assert choices
    assert choices.labels == ["yes", "no", "null", ANOTHER, NO_ANSWER]
    assert choices.table[1] == [0, 0, 0, 3, 0]


def test_fields_of_other_kinds_are_left_out_with_the_reason(sides: Sides) -> None:
    schema = json.loads(json.dumps(sides.task.json_schema))
    schema["properties"]["seen"] = {"type": "string"}
    del schema["properties"]["day"]
    earlier(sides, json_schema=schema)
    record = sides.compare(known=(ID,))
    assert {each.field: each.why for each in record.not_compared} == {
        "seen": "choices in one and text in the other",
        "day": f"the answer of {OTHER} does not have it",
    }
    with pytest.raises(NotemillError, match="seen: choices in one"):
        sides.compare(known=(ID,), fields=["response", "seen"])
    with pytest.raises(NotemillError, match="tolerance"):
        sides.compare(known=(ID,), fields=["response"], tolerance={"age": 1})


def test_shards_of_other_notes_are_refused(sides: Sides) -> None:
    paths = [sides.loads.shard(name, experiment=OTHER) for name in ("0000", "0001")]
    paths[0].rename(paths[0].with_suffix(".aside"))
    with pytest.raises(NotemillError, match="is not there"):
        sides.compare()
    paths[0].write_bytes(paths[1].read_bytes())
    with pytest.raises(NotemillError, match="not of"):
        sides.compare()


def test_what_it_took_is_told_beside(sides: Sides) -> None:
    cost = sides.compare().first.cost
    assert (cost.jobs, cost.job_seconds, cost.asked) == (2, 4.0, 5)
    assert cost.tokens == 150
    assert cost.notes_per_s == pytest.approx(7 / 4)
    assert cost.coverage.value == pytest.approx(6 / 7)


def test_notes_of_a_text_fail_together_so_coverage_is_no_surer_than_its_texts(
    clinic: Clinic,
) -> None:
    """Ten texts of ten notes each, of which one failed, tell about what ten notes do."""
    notes = {n: f"text {n // 10}" for n in range(100)}
    record = Sides(clinic, notes, {"text 3": "schema"}, {}).compare()
    one, other = record.first.cost.coverage, record.second.cost.coverage
    assert (one.value, one.n, other.value, other.n) == (0.9, 100, 1, 100)
    of_notes = binomtest(90, 100).proportion_ci(method="wilson")
    of_texts = binomtest(10, 10).proportion_ci(method="wilson")
    assert of_notes.low - 0.15 > (one.low or 0)
    assert other.low == pytest.approx(of_texts.low)


def test_the_whole_cohort_is_compared_and_a_reader_is_told_what_intervals_are_for(
    sides: Sides,
) -> None:
    last = sides.compare().remarks[-1]
    assert last.startswith("all 5 texts of the cohort were compared, so of this cohort")
    assert "for further texts" in last


def test_a_reader_is_told_how_many_texts_both_gates_settled(clinic: Clinic) -> None:
    notes = {n: f"text {n}" for n in range(5)}
    settled = {"text 3": "not_relevant"}
    last = Sides(clinic, notes, settled, settled).compare().remarks[-1]
    assert last.startswith(
        "all 4 texts of the cohort but the 1 that the gates of both settled were"
    )


def test_more_choices_than_a_table_has_room_for_are_compared_as_text(sides: Sides) -> None:
    schema = json.loads(json.dumps(sides.task.json_schema))
    schema["properties"]["reason"]["enum"] = ["because", *(f"code {n}" for n in range(50))]
    asked = asked_of(sides.loads.work().run).model_copy(update={"json_schema": schema})
    assert fields_of(asked)["reason"].kind == "text"
    schema["properties"]["reason"]["enum"].pop()
    assert fields_of(asked)["reason"].kind == "choices"

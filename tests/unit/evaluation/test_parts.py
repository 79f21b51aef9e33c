"""The parts of the gold's notes that are measured: splits, subgroups, thirds by length."""

from __future__ import annotations

import pytest

from tests.unit.conftest import Clinic
from tests.unit.evaluation.labelled import Labelled, csv_of, headline, of, part


@pytest.fixture
def labelled(clinic: Clinic) -> Labelled:
    notes = {1: "one", 2: "two", 3: "three", 4: "four", 6: "six"}
    answers = {"two": {"response": "no"}, "three": {"response": None}, "four": "schema"}
    return Labelled(clinic, notes, answers)


def test_the_test_split_is_the_headline_and_development_beside_it(labelled: Labelled) -> None:
    labelled.gold("visit,set,response\n1,test,yes\n2,Test,yes\n3,development,no\n6,development,yes")
    record = labelled.evaluate(split="set")
    field = of(record).fields[0]
    assert record.headline == "test"
    assert record.gold.split == {"development": 2, "test": 2}
    tables = [part(field, name).choices for name in ("headline", "development")]
    assert [each.table if each else None for each in tables] == [
        [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]],
    ]
    held_back = labelled.evaluate(split="set", hold_back_test=True)
    field = of(held_back).fields[0]
    assert held_back.headline == "development"
    assert headline(field).choices == tables[1]
    assert {each.part for each in field.parts} == {"headline", "subgroup"}
    assert sum(each.notes for each in field.parts if each.part == "subgroup") == 2


def test_test_notes_that_development_knows_are_counted_and_warned_of(
    clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    notes = {1: "one", 2: "one", 3: "three", 4: "four", 5: "five"}
    labelled = Labelled(clinic, notes)
    sets = ["development", "test", "test", "development", "test"]
    rows = [(n, s, w, "yes") for n, s, w in zip(notes, sets, "abcca", strict=True)]
    labelled.gold(csv_of("visit,set,who,response", rows))
    assert labelled.evaluate().gold.shared_with_development == 0
    assert "not unseen" not in caplog.text
    assert labelled.evaluate(split="set").gold.shared_with_development == 1
    with_patients = labelled.evaluate(split="set", patient="who")
    assert with_patients.gold.shared_with_development == 3
    assert (
        "3 test notes have a patient or a text that is among the development notes" in caplog.text
    )


def test_subgroups_are_of_the_headline_and_add_up_to_it(labelled: Labelled) -> None:
    labelled.gold(
        "visit,set,site,year,response\n"
        "1,test,north,2023,yes\n2,test,south,2023.0,yes\n6,test,,2024,no\n3,development,west,2023,no"
    )
    field = labelled.field(split="set", subgroups=["site", "year"])
    notes = {(p.column, p.value): p.notes for p in field.parts if p.part == "subgroup"}
    lengths = {value: n for (column, value), n in notes.items() if column == "note_length"}
    assert {key: n for key, n in notes.items() if key[0] != "note_length"} == {
        ("site", ""): 1,
        ("site", "north"): 1,
        ("site", "south"): 1,
        ("year", "2023"): 1,
        ("year", "2023.0"): 1,
        ("year", "2024"): 1,
    }
    assert lengths == {}  # three texts of three characters
    table = part(field, "subgroup", "site", "south").choices
    assert table and table.table == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_thirds_of_the_notes_by_length_are_subgroups(clinic: Clinic) -> None:
    notes = {n: "é" * (10 * n) for n in range(1, 10)}
    labelled = Labelled(clinic, notes)
    labelled.gold(csv_of("visit,response", [(n, "yes") for n in notes]))
    thirds = [(p.value, p.notes) for p in labelled.field().parts if p.column == "note_length"]
    assert thirds == [
        ("up to 30 characters", 3),
        ("31 to 60 characters", 3),
        ("more than 60 characters", 3),
    ]

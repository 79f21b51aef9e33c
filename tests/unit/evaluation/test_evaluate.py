"""Answers held against gold labels: counts, parts, and what the record and the table say."""

from __future__ import annotations

import hashlib
import json
import logging
import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, precision_recall_fscore_support

from notemill.errors import NotemillError
from notemill.evaluation.record import read_evaluation
from notemill.notes.textless import write_without_texts
from notemill.statistics.figure import Figure
from tests.unit.conftest import Clinic
from tests.unit.evaluation.labelled import Labelled, csv_of, headline, of
from tests.unit.loads import ID

OTHER = "cough-ba9876543210"


@pytest.fixture
def labelled(clinic: Clinic) -> Labelled:
    notes = {1: "one", 2: "two", 3: "three", 4: "four", 5: " ", 6: "six"}
    answers = {"two": {"response": "no"}, "three": {"response": None}, "four": "schema"}
    return Labelled(clinic, notes, answers)


def test_each_label_is_counted_against_the_answer_of_its_note(labelled: Labelled) -> None:
    labelled.gold("visit,response\n3,null\n1,yes\n2,yes\n4,no\n6,no\n")
    measured = headline(labelled.field()).choices
    assert measured
    assert measured.labels == ["yes", "no", "null"]
    assert measured.table == [[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]]
    assert (measured.answered.accuracy.value, measured.answered.accuracy.n) == (0.5, 4)
    assert (measured.all.accuracy.value, measured.all.accuracy.n) == (0.4, 5)


def test_a_blank_note_with_a_label_is_one_without_an_answer_and_told(labelled: Labelled) -> None:
    labelled.gold("visit,response\n1,yes\n5,no\n")
    found = headline(labelled.field())
    assert (found.notes, found.blank) == (2, 1)
    assert found.choices
    assert found.choices.table == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert found.choices.coverage.value == 0.5


def test_a_purged_cohort_is_evaluated_as_before(labelled: Labelled) -> None:
    labelled.gold("visit,response\n1,yes\n2,yes\n3,null\n5,no\n6,no\n")
    before = labelled.field()
    notes = labelled.clinic.layout.notes_folder("chest", "cut-0002")
    for path in sorted(notes.glob("*.parquet")):  # after the first one as a killed purge leaves it
        write_without_texts(path)
        assert labelled.field() == before
    assert "note_length" in {part.column for part in before.parts}


def test_an_empty_cell_is_no_label_and_counted(labelled: Labelled) -> None:
    labelled.gold("visit,response\n1,yes\n2,\n6, \n")
    field = labelled.field()
    assert (field.unlabelled, headline(field).notes) == (2, 1)


def test_a_gold_without_any_label_has_figures_that_say_why(labelled: Labelled) -> None:
    labelled.gold("visit,response\n1,\n2,\n")
    found = headline(labelled.field())
    assert found.notes == 0
    assert found.choices
    assert found.choices.coverage.value is None
    assert found.choices.coverage.why


def test_figures_are_those_of_scikit_learn(clinic: Clinic) -> None:
    rng = random.Random(4)
    choices = ["yes", "no", None]
    notes = {n: f"note {n}" for n in range(300)}
    right = {n: rng.choices(choices, [5, 3, 1])[0] for n in notes}
    said = {n: right[n] if rng.random() < 0.7 else rng.choice(choices) for n in notes}
    answers = {notes[n]: {"response": said[n]} for n in notes}
    labelled = Labelled(clinic, notes, answers, shards=7)
    rows = list(right.items())
    rng.shuffle(rows)
    labelled.gold(csv_of("visit,response", [(n, "null" if r is None else r) for n, r in rows]))
    measured = headline(labelled.field()).choices
    assert measured
    names = ["yes", "no", "None"]
    truth, guess = ([str(each[n]) for n in notes] for each in (right, said))
    precision, recall, f1, _ = precision_recall_fscore_support(truth, guess, labels=names)
    assert measured.all.accuracy.value == pytest.approx(accuracy_score(truth, guess))
    assert measured.all.kappa.value == pytest.approx(cohen_kappa_score(truth, guess))
    assert measured.all.macro_f1.value == pytest.approx(np.mean(f1))
    assert [c.ppv.value for c in measured.all.classes] == pytest.approx(list(precision))
    assert [c.sensitivity.value for c in measured.all.classes] == pytest.approx(list(recall))


def test_true_and_false_are_read_as_programs_write_them(labelled: Labelled) -> None:
    labelled.gold("visit,seen\n1,TRUE\n2,false\n3,1\n6,0\n")
    measured = headline(labelled.field(fields=["seen"])).choices
    assert measured
    assert (measured.labels, measured.table) == (["true", "false"], [[2, 0, 0], [2, 0, 0]])


def test_numbers_have_an_error_and_a_share_within_the_tolerance(clinic: Clinic) -> None:
    ages = {"one": 40, "two": 41, "three": 45, "four": None, "five": None, "six": 7}
    answers: dict[str, dict[str, int | None] | str] = {
        text: {"age": age} for text, age in ages.items()
    }
    answers["six"] = "timeout"
    labelled = Labelled(clinic, dict(enumerate(ages, start=1)), answers)
    labelled.gold("visit,age\n1,40\n2,40.0\n3,40\n4,null\n5,40\n6,7\n")
    numbers = headline(labelled.field(fields=["age"], tolerance={"age": 1})).numbers
    assert numbers
    assert (numbers.absolute_error.value, numbers.absolute_error.n) == (2.0, 3)
    assert numbers.absolute_error.low is not None
    assert numbers.bias.value == 2.0
    assert (numbers.answered.within.value, numbers.all.within.value) == (0.6, 0.5)
    assert (numbers.answered.exact.value, numbers.all.exact.value) == (0.4, pytest.approx(2 / 6))


def test_lists_have_precision_and_recall_of_items(clinic: Clinic) -> None:
    findings = {
        "one": ["cough", "fever"],
        "two": ["Cough "],
        "three": [],
        "four": ["rash"],
        "five": ["x"],
    }
    answers: dict[str, dict[str, list[str]] | str] = {
        text: {"findings": items} for text, items in findings.items()
    }
    answers["five"] = "timeout"
    labelled = Labelled(clinic, dict(enumerate(findings, start=1)), answers)
    labelled.gold('visit,findings\n1,fever; rash\n2,"[""cough""]"\n3,[]\n4,[]\n5,a;b\n')
    items = headline(labelled.field(fields=["findings"])).items
    assert items
    assert (items.answered.precision.value, items.answered.precision.n) == (0.5, 4)
    assert (items.answered.recall.value, items.answered.recall.n) == (pytest.approx(2 / 3), 3)
    assert (items.all.recall.value, items.all.recall.n) == (0.4, 5)
    assert (items.answered.exact.value, items.all.exact.value) == (0.5, 0.4)


def test_a_day_is_one_item_which_is_there_or_not(labelled: Labelled) -> None:
    labelled.gold("visit,day\n1,2024-03-31\n2,2024-04-01\n3,null\n")
    items = headline(labelled.field(fields=["day"])).items
    assert items
    assert items.all.exact.value == pytest.approx(1 / 3)
    assert (items.all.precision.value, items.all.recall.value) == (pytest.approx(1 / 3), 0.5)


def test_notes_of_one_patient_widen_the_interval(clinic: Clinic) -> None:
    notes = {n: f"note {n}" for n in range(80)}
    labelled = Labelled(clinic, notes, {notes[n]: {"response": "no"} for n in range(20)})
    labelled.gold(csv_of("visit,patient_id,response", [(n, n // 10, "yes") for n in notes]))
    alone = headline(labelled.field()).choices
    record = labelled.evaluate(patient="patient_id")
    together = headline(of(record).fields[0]).choices
    assert (record.clustered_by, record.gold.patients) == ("patient", 8)
    assert alone and together
    assert (alone.clusters, together.clusters) == (0, 8)
    assert alone.all.accuracy.value == together.all.accuracy.value == 0.75
    assert _width(together.all.accuracy) > 1.5 * _width(alone.all.accuracy)


def test_notes_of_one_text_share_an_answer_and_are_not_independent(clinic: Clinic) -> None:
    notes = {n: f"text {n // 10}" for n in range(80)}
    labelled = Labelled(clinic, notes, {f"text {t}": {"response": "no"} for t in range(2)})
    labelled.gold(csv_of("visit,response", [(n, "yes") for n in notes]))
    record = labelled.evaluate()
    found = headline(of(record).fields[0])
    assert (record.clustered_by, found.notes, found.texts) == ("text", 80, 8)
    assert found.choices
    assert found.choices.clusters == 8
    assert _width(found.choices.all.accuracy) > 0.3


def test_two_experiments_are_evaluated_beside_each_other(labelled: Labelled) -> None:
    labelled.answered({"one": {"response": "no"}}, experiment=OTHER)
    labelled.gold("visit,response\n1,yes\n2,no\n")
    record = labelled.evaluate(experiments=[ID, OTHER])
    accuracies = {}
    for each in record.experiments:
        choices = headline(each.fields[0]).choices
        assert choices
        accuracies[each.experiment] = choices.all.accuracy.value
    assert accuracies == {ID: 1.0, OTHER: 0.0}


def test_the_record_names_the_gold_by_its_sha256_and_how_intervals_were_made(
    labelled: Labelled,
) -> None:
    path = labelled.gold("visit,response\n1,yes\n2,no\n5,no\n")
    record = labelled.evaluate(seed=7)
    assert record.gold.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (record.gold.rows, record.gold.notes, record.gold.texts, record.gold.blank) == (
        *(3, 3, 3),
        1,
    )
    assert (record.seed, record.draws, record.level) == (7, 4000, 0.95)
    written = labelled.clinic.layout.evaluation("gold")
    assert read_evaluation(written) == record
    assert written.stat().st_mode & 0o777 == 0o600


def test_no_text_no_answer_and_no_id_is_in_the_record_or_the_log(
    clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    labelled = Labelled(
        clinic,
        {"id-8313": "a text of a note", "id-8314": "another text"},
        {"a text of a note": {"findings": ["a quiet finding"]}},
    )
    labelled.gold("visit,findings\nid-8313,another finding\nid-8314,cough\n")
    labelled.evaluate(fields=["findings"])
    told = [labelled.clinic.layout.evaluation("gold").read_text(), caplog.text]
    told += [path.read_text() for path in (clinic.layout.results / "evaluations").glob(".*")]
    for secret in ("id-8313", "a text", "a quiet", "another finding"):
        assert not any(secret in each for each in told)


def test_the_same_gold_gives_the_same_figures(labelled: Labelled) -> None:
    labelled.gold("visit,response,who\n3,null,a\n1,yes,a\n2,yes,b\n4,no,b\n6,no,c\n")
    first, again = (labelled.evaluate(patient="who") for _ in range(2))
    assert first.experiments == again.experiments
    assert labelled.evaluate(patient="who", seed=2).experiments != first.experiments


def test_a_query_gives_the_gold_and_is_named_by_its_rows(labelled: Labelled) -> None:
    clinic = labelled.clinic
    clinic.run("CREATE TABLE gold (visit INTEGER, label TEXT)")
    clinic.run("INSERT INTO gold VALUES (?, ?)", [(1, "yes"), (2, "yes"), (3, None)])
    query = "SELECT visit, label FROM gold ORDER BY visit"
    record = labelled.evaluate(query=query, fields={"response": "label"})
    field = of(record).fields[0]
    assert (record.gold.kind, field.unlabelled, headline(field).notes) == ("query", 1, 2)
    backwards = labelled.evaluate(query=f"{query} DESC", fields={"response": "label"})
    assert backwards.gold.sha256 == record.gold.sha256
    clinic.run("UPDATE gold SET label = 'no' WHERE visit = 1")
    changed = labelled.evaluate(query=query, fields={"response": "label"})
    assert changed.gold.sha256 != record.gold.sha256


def test_a_gold_query_that_writes_is_refused(labelled: Labelled) -> None:
    with pytest.raises(NotemillError, match="the query wants to write") as refused:
        labelled.evaluate(query="DELETE FROM notes RETURNING visit, note AS response")
    assert refused.value.where == "evaluations.gold.query"
    assert len(labelled.clinic.rows("SELECT * FROM notes")) == 6


def test_the_log_tells_the_first_figure_of_each_field(
    labelled: Labelled, caplog: pytest.LogCaptureFixture
) -> None:
    labelled.gold("visit,response,age,findings\n1,yes,,cough\n2,yes,,rash\n")
    with caplog.at_level(logging.INFO):
        labelled.evaluate(fields=["response", "age", "findings"])
    assert f"{ID}: response: accuracy 0.500 (0.095 to 0.905) of 2 notes (all)" in caplog.text
    assert f"{ID}: age: within no note has a label of 0 notes (all)" in caplog.text
    assert f"{ID}: findings: exact 0.500" in caplog.text


def test_the_record_is_json_without_nan(labelled: Labelled) -> None:
    """JSON has no NaN: a figure that is not defined is null, and says why."""
    labelled.gold("visit,response\n1,yes\n")
    labelled.evaluate()
    text = Path(labelled.clinic.layout.evaluation("gold")).read_text()
    json.loads(text, parse_constant=pytest.fail)


def _width(figure: Figure) -> float:
    assert figure.low is not None and figure.high is not None
    return float(figure.high - figure.low)

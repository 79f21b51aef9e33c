"""Gold that can't be taken is named with its rows, shows no value, and nothing is computed."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from notemill.errors import NotemillError
from tests.unit.conftest import Clinic
from tests.unit.evaluation.labelled import Labelled, headline, of

SECRET = "Mrs Miller, cough"


@pytest.fixture
def numbered(clinic: Clinic) -> Labelled:
    return Labelled(clinic, {1: "one", 2: "two", 3: "three"}, {"two": {"response": "no"}})


@pytest.fixture
def named(clinic: Clinic) -> Labelled:
    return Labelled(clinic, {"0071": "one", "0072": "two", "A ": "three"})


def refused(labelled: Labelled, gold: str | bytes, name: str = "gold.csv", **changes: Any) -> str:
    """What is said of a gold; nothing is left of it."""
    path = labelled.gold(gold, name)
    with pytest.raises(NotemillError) as error:
        labelled.evaluate(file=str(path), **changes)
    assert not labelled.clinic.layout.evaluation("gold").parent.exists()
    tables = labelled.clinic.rows("SELECT name FROM sqlite_master")
    assert ("notemill_evaluations",) not in tables
    assert SECRET not in str(error.value)
    assert str(path) in str(error.value.where)
    return str(error.value)


@pytest.mark.parametrize(
    ("gold", "said"),
    [
        ("visit,response\n1,yes\n2.0,no\n", "visit: is not a whole number as the cohort has it"),
        ("visit,response\n1,yes\n2E+00,no\n", "visit: is not a whole number as the cohort has it"),
        ("visit,response\n1,yes\n02,no\n", "visit: is not a whole number as the cohort has it"),
        ("visit,response\n1,yes\n 2,no\n", "visit: is not a whole number as the cohort has it"),
        ("visit,response\n1,yes\n2-Jan,no\n", "visit: is not a whole number as the cohort has it"),
        ("visit,response\n1,yes\n,no\n", "visit: is empty; row 3"),
        (f"visit,response\n1,yes\n{2**64},no\n", "visit: is not a whole number of 64 bits"),
        (
            f"visit,response\n1,yes\n2,{'yes ' * 9}{SECRET!r}\n".replace(", ", ""),
            "response: is none of the answer's choices (yes, no, null); row 3",
        ),
        ("visit,response\n1,yes\n2,Yes\n", "response: is none of the answer's choices"),
        ("visit,response\n1,yes\n1,yes\n", "an earlier row names, with the same values; row 3"),
        ("visit,response\n1,yes\n1,no\n", "an earlier row names, with other values; row 3"),
        ("visit,response\n1,yes\n2,no,\n", "more or fewer cells than the header's 2: 3"),
        ("visit,response\n1,yes\n2\n", "more or fewer cells than the header's 2: 3"),
        ("visit,Response\n1,yes\n", "no column response among its 2; 'Response' is not 'response'"),
        (f"1,{SECRET.replace(',', '')}\n2,no\n", "no column visit, response among its 2"),
        ("visit,response,response\n1,yes,no\n", "two columns response"),
        ("visit,response\n", "has no row"),
        ("", "no column visit, response"),
        ('visit,response\n1,"yes\n2,no\n', "this is no CSV: unexpected end of data, in line"),
        ("visit,response\n1,yes\n4,no\n5,no\n", "2 of 3 ids of the gold are not in cohort 'chest'"),
        ("visit,response\n1,yes\n4,no\n5,no\n", "rows 3, 4"),
    ],
)
def test_a_row_that_cannot_be_taken_is_named(numbered: Labelled, gold: str, said: str) -> None:
    assert said in refused(numbered, gold)


@pytest.mark.parametrize(
    ("gold", "said"),
    [
        ("visit,response\n0071,yes\n72,no\n", "rows 3. But for zeros or spaces around visit"),
        ("visit,response\n0071,yes\nA,no\n", "rows 3. But for zeros or spaces around visit"),
        ("visit,response\n0071,yes\nB,no\n", "rows 3\n"),
    ],
)
def test_ids_that_lost_their_zeros_are_told_from_others(
    named: Labelled, gold: str, said: str
) -> None:
    assert said in refused(named, gold)


def test_every_problem_is_told_at_once_and_few_rows_of_each(numbered: Labelled) -> None:
    rows = "".join(f"{n}.0,maybe\n" for n in range(1, 9))
    said = refused(numbered, f"visit,response\n{rows}1,yes\n")
    assert "8 rows: 2, 3, 4, 5, 6 and 3 more" in said


@pytest.mark.parametrize(
    ("field", "cell", "said"),
    [
        ("age", "4o", "is not a number"),
        ("age", '"1,5"', "is not a number"),
        ("age", "inf", "is not a number"),
        ("age", "0x10", "is not a number"),
        ("findings", '"[""a"""', "begins with [ and is no JSON list"),
        ("findings", '"[[1], 2]"', "is not a list of plain values"),
        ("seen", "maybe", "is none of the answer's choices (true, false)"),
    ],
)
def test_a_label_that_is_none_is_named(
    numbered: Labelled, field: str, cell: str, said: str
) -> None:
    told = refused(numbered, f"visit,{field}\n1,\n2,{cell}\n", fields=[field])
    assert f"{field}: {said}" in told
    assert "row 3" in told


@pytest.mark.parametrize("value", ["train", "", "tests"])
def test_a_split_is_development_or_test(numbered: Labelled, value: str) -> None:
    said = refused(numbered, f"visit,response,set\n1,yes,test\n2,no,{value}\n", split="set")
    assert "set: is neither development nor test; row 3" in said


def test_a_note_whose_patient_is_not_named_is_refused(numbered: Labelled) -> None:
    said = refused(numbered, "visit,response,who\n1,yes,9\n2,no,\n", patient="who")
    assert "who: is empty: whose note it is must be known of all, or of none; row 3" in said


def test_a_column_of_ids_is_no_subgroup(clinic: Clinic) -> None:
    labelled = Labelled(clinic, {n: f"note {n}" for n in range(101)})
    rows = "".join(f"{n},yes\n" for n in range(101))
    said = refused(labelled, f"visit,response\n{rows}", subgroups=["visit"])
    assert "column visit has 101 values, too many for subgroups" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("visit,response\n1,yes\n".encode("utf-16"), "this CSV is UTF-16, not UTF-8"),
        ("visit,response,who\n1,yes,a\n2,no,Müller\n".encode("latin-1"), "line 3 is not UTF-8"),
        (b"PAR1 and no more", "this Parquet file is damaged"),
    ],
)
def test_a_file_of_another_kind_is_named(numbered: Labelled, content: bytes, said: str) -> None:
    assert said in refused(numbered, content)


def test_a_workbook_is_no_csv(numbered: Labelled) -> None:
    book = openpyxl.Workbook()
    content = io.BytesIO()
    book.save(content)
    assert "a workbook or an archive, not a CSV" in refused(numbered, content.getvalue())


def test_gold_beyond_the_cohort_is_left_out_where_that_is_said_and_counted(
    numbered: Labelled, caplog: pytest.LogCaptureFixture
) -> None:
    numbered.gold("visit,response\n9,no\n1,yes\n4,no\n")
    with caplog.at_level(logging.WARNING):
        record = numbered.evaluate(not_in_cohort="leave_out")
    assert (record.gold.rows, record.gold.notes, record.gold.not_in_cohort) == (3, 1, 2)
    choices = headline(of(record).fields[0]).choices
    assert choices and choices.table == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert "2 ids of the gold are not in the cohort and left out" in caplog.text


def test_gold_of_quite_other_notes_is_refused_whatever_is_said(numbered: Labelled) -> None:
    said = refused(numbered, "visit,response\n8,no\n9,yes\n", not_in_cohort="leave_out")
    assert "2 of 2 ids of the gold are not in cohort" in said


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_spreadsheets_csv_is_read_whatever_stands_between_its_cells(
    numbered: Labelled, delimiter: str, mark: str, end: str
) -> None:
    rows = [["visit", "comment", "response"], ["2", '"a, b; c\n""d"""', "no"], ["", "", ""]]
    rows += [["1", "", "yes"]]
    numbered.gold(mark + end.join(delimiter.join(row) for row in rows) + end)
    choices = headline(numbered.field()).choices
    assert choices and choices.table == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_text_ids_are_taken_to_the_letter(named: Labelled) -> None:
    named.gold("visit,response\n0071,yes\nA ,yes\n0072,no\n")
    assert named.evaluate().gold.notes == 3


def parquet(folder: Path, **columns: Any) -> bytes:
    path = folder / "made.parquet"
    pq.write_table(pa.table(columns), path)
    return path.read_bytes()


def test_a_typed_file_is_taken_by_its_types(numbered: Labelled, tmp_path: Path) -> None:
    content = parquet(
        tmp_path,
        visit=pa.array([3, 1, 2], pa.int32()),
        response=pa.array(["yes", "yes", None]).dictionary_encode(),
        seen=[True, None, False],
        age=[40.0, float("nan"), 41.0],
        findings=[["cough"], [], None],
    )
    numbered.gold(content, "gold.parquet")
    file = str(numbered.clinic.folder / "gold.parquet")
    fields = ["response", "seen", "age", "findings"]
    record = numbered.evaluate(file=file, fields=fields)
    told = {f.field: (headline(f).notes, f.unlabelled) for f in of(record).fields}
    assert told == {"response": (2, 1), "seen": (2, 1), "age": (2, 1), "findings": (2, 1)}


@pytest.mark.parametrize(
    ("visit", "said"),
    [
        (pa.array([1.0, 2.0]), "visit: is not a whole number of 64 bits"),
        (pa.array([1, None]), "visit: is empty; row 2"),
        (pa.array(["1", "2.0"]), "visit: is not a whole number as the cohort has it"),
        (pa.array([True, False]), "visit: is not a whole number of 64 bits"),
    ],
)
def test_a_typed_id_of_another_kind_is_named(
    numbered: Labelled, tmp_path: Path, visit: pa.Array, said: str
) -> None:
    content = parquet(tmp_path, visit=visit, response=["yes", "no"])
    assert said in refused(numbered, content, "gold.parquet")


def test_numbers_where_the_ids_are_text_may_have_lost_zeros(
    named: Labelled, tmp_path: Path
) -> None:
    content = parquet(tmp_path, visit=[71, 72], response=["yes", "no"])
    said = refused(named, content, "gold.parquet")
    assert "visit: is a number or a date, and the cohort's ids are text" in said

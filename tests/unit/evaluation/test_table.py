"""The table of figures: what the record says, an evaluation's own rows, read back."""

from __future__ import annotations

import pytest

from notemill.errors import NotemillError
from notemill.statistics.figure import Figure
from tests.unit.conftest import Clinic
from tests.unit.evaluation.labelled import Labelled, of


@pytest.fixture
def labelled(clinic: Clinic) -> Labelled:
    notes = {1: "one", 2: "two", 3: "three", 4: "four", 6: "six"}
    answers = {"two": {"response": "no"}, "three": {"response": None}, "four": "schema"}
    return Labelled(clinic, notes, answers)


def test_the_table_holds_every_figure_of_the_record(labelled: Labelled) -> None:
    labelled.gold("visit,response,site\n1,yes,n\n2,yes,s\n4,no,s\n")
    record = labelled.evaluate(subgroups=["site"])
    rows = labelled.clinic.rows(
        "SELECT part, subgroup, subgroup_value, class, measure, counting, value, low, high, n, why "
        "FROM notemill_evaluations WHERE evaluation = 'gold' ORDER BY figure"
    )
    told = {row[:6]: row[6:] for row in rows}
    assert len(told) == len(rows)
    for found in of(record).fields[0].parts:
        assert found.choices
        for counting in ("answered", "all"):
            counted = getattr(found.choices, counting)
            place = (found.part, found.column, found.value)
            for name in ("accuracy", "kappa", "ac1", "macro_f1"):
                figure = getattr(counted, name)
                assert told[*place, "", name, counting] == as_row(figure)
            for each in counted.classes:
                for name in ("sensitivity", "specificity", "ppv", "npv", "f1"):
                    assert told[*place, each.label, name, counting] == as_row(getattr(each, name))
    assert any(why for *_, why in rows)


def test_an_evaluation_replaces_its_own_rows_and_no_others(labelled: Labelled) -> None:
    labelled.gold("visit,response\n1,yes\n")
    labelled.evaluate()
    clinic = labelled.clinic
    clinic.run("UPDATE notemill_evaluations SET evaluation = 'Gold'")
    before = clinic.rows("SELECT * FROM notemill_evaluations")
    labelled.evaluate(subgroups=["response"])
    labelled.evaluate()
    assert clinic.rows("SELECT * FROM notemill_evaluations WHERE evaluation = 'Gold'") == before
    assert len(clinic.rows("SELECT * FROM notemill_evaluations")) == 2 * len(before)


def test_figures_that_a_trigger_changes_are_refused_and_the_old_ones_stay(
    labelled: Labelled,
) -> None:
    labelled.gold("visit,response\n1,yes\n2,no\n")
    labelled.evaluate()
    clinic = labelled.clinic
    before = clinic.rows("SELECT * FROM notemill_evaluations")
    clinic.lie("notemill_evaluations", "value", "1", "NEW.measure = 'kappa'")
    labelled.gold("visit,response\n1,no\n2,no\n6,yes\n")
    with pytest.raises(NotemillError, match="other figures than it was given: value"):
        labelled.evaluate()
    assert clinic.rows("SELECT * FROM notemill_evaluations") == before


def as_row(figure: Figure) -> tuple[object, ...]:
    return figure.value, figure.low, figure.high, figure.n, figure.why

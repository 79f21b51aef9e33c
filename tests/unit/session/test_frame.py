"""A frame of notes and the frame of their answers: each row's own answer, nothing else changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from notemill import Session
from notemill.errors import NotemillError
from notemill.tasks.sentences import sentences
from tests.unit.session.conftest import FIELDS, SCHEMA, TYPES, notes, servers, write_site

TEXTS = [*notes(4)["note_text"], "Cough.", "COUGH. \N{BLACK HEART SUIT}", "too long " * 600]
BLANKS = [None, float("nan"), pd.NA, pd.NaT, "", " \n ", "&nbsp;", "\u200b"]
NUMBERS = "where: list[Annotated[int, Field(ge=1, le=3)]] = Field(min_length=1, max_length=1)"
SECRET = "of patient 4711"


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Frames of few texts, with columns, types and indexes of all sorts."""
    cells = st.sampled_from([*TEXTS, *BLANKS, *(text.encode() for text in TEXTS)])
    texts = draw(st.lists(cells, max_size=8))
    size = len(texts)
    columns: dict[Any, Any] = {
        "visit": np.arange(size, dtype=draw(st.sampled_from(["int8", "uint64", "float32"]))),
        "ward": pd.Categorical(["a", "b", "a", "b", "a", "b", "a", "b"][:size]),
        "note": pd.Series(texts, dtype=object),
        7: pd.array([None] * size, dtype="Int64"),
        "when": pd.date_range("2026-01-01", periods=size, tz="UTC"),
    }
    frame = pd.DataFrame({name: columns[name] for name in draw(st.permutations(list(columns)))})
    labels = st.sampled_from([0, 1, 5, "x", None])
    index = draw(
        st.one_of(
            st.lists(labels, min_size=size, max_size=size).map(
                lambda each: pd.Index(each, name="i")
            ),
            st.just(pd.MultiIndex.from_tuples([(1, n % 2) for n in range(size)], names=["p", "q"])),
            st.just(pd.RangeIndex(10, 10 + size)),
        )
    )
    frame.columns.name = draw(st.sampled_from([None, "columns"]))
    frame.attrs["from"] = "the clinic"
    return frame.set_axis(index)


@given(frame=frames())
def test_every_row_keeps_its_place_and_gets_the_answer_of_its_own_text(
    session: Session, frame: pd.DataFrame
) -> None:
    before = frame.copy(deep=True)
    own = session.ask(pd.DataFrame({"t": TEXTS}), text="t")
    of_text = {text: own.iloc[row] for row, text in enumerate(TEXTS)}
    result = session.ask(frame, text="note")
    assert_frame_equal(frame, before)
    assert_frame_equal(result[list(frame.columns)], before)
    assert result.attrs == before.attrs
    assert {name: str(result[name].dtype) for name in TYPES} == TYPES
    assert list(result.columns) == [*frame.columns, *TYPES]
    for row, cell in enumerate(frame["note"]):
        text = cell.decode() if isinstance(cell, bytes) else cell
        found = result.iloc[row]
        if isinstance(text, str) and text in of_text:
            for name in TYPES.keys() - {"seconds", "answered_at"}:
                assert found[name] is of_text[text][name] or found[name] == of_text[text][name]
        else:
            assert found["status"] == "blank"
            assert found["attempts"] == found["prompt_tokens"] == 0


def test_an_answers_columns_are_those_of_the_results_table(session: Session) -> None:
    frame = session.ask(notes(12))
    assert set(frame["status"]) == {"answered"}
    assert set(frame["llm_response"]) <= {"yes", "no"}
    assert frame["llm_sure"].notna().all()
    assert all(isinstance(json.loads(words), list) for words in frame["llm_words"])
    assert (frame["prompt_tokens"] > 20).all()
    assert (frame["answer_tokens"] > 5).all()
    assert frame["engine"].str.startswith("llama.cpp").all()


def test_evidence_stands_beside_the_answers(
    new_session: Callable[..., Session], site: Path
) -> None:
    schema = SCHEMA.replace("import Literal", "import Annotated, Literal")
    write_site(site, schema.replace("response:", f"{NUMBERS}\n    response:"))
    task = site / "config" / "tasks" / "cough" / "task.yaml"
    task.write_text("evidence: where\nnumbered_sentences: true")
    texts = ["No fever.", "No fever. Cough. Pain.", None]
    frame = new_session().ask(pd.DataFrame({"note_text": texts}))
    assert list(frame.columns[-3:]) == ["evidence_grade", "evidence_start", "evidence_end"]
    assert [str(kind) for kind in frame.dtypes[-3:]] == ["string", "Int64", "Int64"]
    for text, numbers, grade, start, end in frame[["note_text", "llm_where", *frame.columns[-3:]]][
        :2
    ].itertuples(index=False):
        spans = sentences(text)
        (number,) = json.loads(numbers)
        assert grade == ("exact" if number <= len(spans) else "absent")
        assert (start, end) == spans[number - 1] if number <= len(spans) else pd.isna(start)
    assert frame["evidence_grade"].isna()[2]
    with pytest.raises(NotemillError, match="evidence_start"):
        new_session().ask(pd.DataFrame({"note_text": texts, "evidence_start": 1}))


def test_failures_are_rows_however_many_there_are(session: Session) -> None:
    """max_failed_share is 0 here, which would stop a job."""
    frame = session.ask(pd.DataFrame({"note_text": ["too long " * 600, "so long " * 900]}))
    assert list(frame["status"]) == ["too_long", "too_long"]
    assert frame["llm_response"].isna().all()
    assert frame["detail"].str.len().gt(0).all()


def test_a_frame_without_a_text_starts_no_engine(
    new_session: Callable[..., Session], site: Path
) -> None:
    before = servers()
    write_site(site, SCHEMA + FIELDS)
    session = new_session()
    empty = session.ask(notes(0))
    assert len(empty) == 0
    blank = session.ask(pd.DataFrame({"note_text": BLANKS}, index=[3] * len(BLANKS)))
    assert set(blank["status"]) == {"blank"}
    for frame in (empty, blank):
        assert {name: str(frame[name].dtype) for name in TYPES} == TYPES
    assert servers() == before


@pytest.mark.parametrize(
    ("frame", "text", "words"),
    [
        ([SECRET], "note_text", "takes a pandas DataFrame, and was given: list"),
        (pd.Series([SECRET]), "note_text", r"was given: pandas\..*Series"),
        (
            pd.DataFrame({"note": [SECRET]}),
            "note_text",
            "no columns 'note_text'; its columns: note",
        ),
        (pd.DataFrame({"note_text": [SECRET]}), ["note_text"], "no columns"),
        (pd.DataFrame([[SECRET] * 2], columns=["t", "t"]), "t", "has 2 columns 't'"),
        (pd.DataFrame({("a", "t"): [SECRET]}), ("a", "t"), "have 2 levels"),
        (
            pd.DataFrame({"note_text": [SECRET], "status": 1, "llm_days": 1, "Detail": 1}),
            "note_text",
            "answers would go into: llm_days, status\n",
        ),
        (pd.DataFrame({"status": [SECRET]}), "status", "answers would go into: status"),
        (
            pd.DataFrame({"note_text": ["a", 4711, "b", [SECRET], {"of": SECRET}]}, index=[9] * 5),
            "note_text",
            r"is no text: row 1 \(int\), row 3 \(list\), row 4 \(dict\)\n",
        ),
        (
            pd.DataFrame({"note_text": [1.5] * 9}),
            "note_text",
            r"row 4 \(float\) and 4 more\n",
        ),
        (
            pd.DataFrame({"note_text": ["a", f"\ud800 {SECRET}"]}, dtype=object),
            "note_text",
            r"row 1 \(half a character",
        ),
    ],
)
def test_what_can_not_be_asked_is_told_without_what_it_holds(
    session: Session, frame: Any, text: Any, words: str
) -> None:
    with pytest.raises(NotemillError, match=words) as caught:
        session.ask(frame, text)
    assert "4711" not in str(caught.value)
    assert "what to do" in str(caught.value)


def test_the_frame_of_an_earlier_asking_is_asked_again_without_its_answers(
    session: Session,
) -> None:
    first = session.ask(notes(3))
    with pytest.raises(NotemillError, match=r"frame\.drop\(columns=\['llm_response', ") as caught:
        session.ask(first)
    given = str(caught.value).partition("columns=")[2].partition(")")[0]
    again = session.ask(first.drop(columns=json.loads(given.replace("'", '"'))))
    assert_frame_equal(again, first)

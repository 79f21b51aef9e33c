"""task.yaml: notemill.tasks.evidence"""

from __future__ import annotations

from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.tasks.evidence import Evidence
from notemill.tasks.schema_check import check_schema
from notemill.tasks.task import Task, read_task
from tests.unit.conftest import write_task

SCHEMA = """
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field


class Quote(BaseModel):
    words: str


class Answer(BaseModel):
    response: Literal["yes", "no"]
    words: str = Field(max_length=100)
    maybe: str | None
    several: list[Annotated[str, Field(max_length=100)]] = Field(max_length=3)
    number: int
    perhaps: Annotated[int, Field(ge=1, le=9999)] | None
    numbers: list[int]
    sides: list[Literal["left", "right"]]
    quotes: list[Quote]
    day: date
    either: str | int
    sure: bool
"""


def told(folder: Path, text: str | bytes) -> Task:
    """A task with this task.yaml, checked as the plan does."""
    write_task(folder, SCHEMA)
    raw = text.encode() if isinstance(text, str) else text
    (folder / "cough" / "task.yaml").write_bytes(raw)
    task = read_task(folder, "cough")
    check_schema(task)
    return task


def test_a_task_without_the_file_has_no_evidence(tmp_path: Path) -> None:
    assert write_task(tmp_path, SCHEMA).evidence is None
    for nothing in ("", "# evidence: words\n", "evidence:\n", "numbered_sentences: false"):
        assert told(tmp_path, nothing).evidence is None


@pytest.mark.parametrize("field", ["words", "maybe", "several"])
def test_a_field_of_text_or_a_list_of_it_may_quote(tmp_path: Path, field: str) -> None:
    assert told(tmp_path, f"evidence: {field}").evidence == Evidence(field=field)


@pytest.mark.parametrize("field", ["number", "perhaps", "numbers"])
def test_a_field_of_whole_numbers_may_name_sentences(tmp_path: Path, field: str) -> None:
    task = told(tmp_path, f"evidence: {field}\nnumbered_sentences: true")
    assert task.evidence == Evidence(field=field, numbered=True)
    assert task.as_sent("No fever. Cough.") == "[1] No fever.\n[2] Cough."


def test_what_is_said_in_the_place_of_a_quote_may_be_named(tmp_path: Path) -> None:
    one = told(tmp_path, "evidence: words\nno_evidence: nothing said")
    assert one.evidence == Evidence(field="words", nothing=("nothing said",))
    more = told(tmp_path, "evidence: words\nno_evidence: [nothing said, n/a]")
    assert more.evidence == Evidence(field="words", nothing=("nothing said", "n/a"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("evidnce: words", "the key 'evidnce'"),
        ("evidence: missing", "no such field.*name one that schema.py has: response, words"),
        ("evidence: response", "can't hold a quote"),
        ("evidence: number", "can't hold a quote.*numbered_sentences: true"),
        ("evidence: sides", "can't hold a quote"),
        ("evidence: quotes", "can't hold a quote"),
        ("evidence: day", "can't hold a quote"),
        ("evidence: either", "can't hold a quote"),
        ("evidence: words\nnumbered_sentences: true", "can't hold numbers of sentences"),
        ("evidence: sure\nnumbered_sentences: true", "can't hold numbers of sentences"),
        ("numbered_sentences: true", "does not say which field"),
        ("evidence: words\nnumbered_sentences: perhaps", "at 'numbered_sentences'"),
        ("evidence: words\nnumbered_sentences: 1", "at 'numbered_sentences'"),
        ("evidence: numbers\nnumbered_sentences: true\nno_evidence: x", "has no_evidence"),
        ("no_evidence: x", "has no_evidence"),
        ("evidence: words\nno_evidence: [x, 3]", "at 'no_evidence'"),
        ("evidence: [words, maybe]", "at 'evidence'"),
        ("evidence: 3", "at 'evidence'"),
        ("- evidence", "holds no keys"),
        ("evidence: words\n  other: [", r"is not YAML(.|\n)*task.yaml:2"),
        (b"evidence: \xff", "not UTF-8"),
    ],
)
def test_what_the_file_may_not_hold_is_named_before_any_job(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(NotemillError) as refused:
        told(tmp_path, text)
    refused.match(f"(?s){said}")
    assert "task.yaml" in (refused.value.where or "")
    assert refused.value.remedy

"""What a load leaves on disk: the counts that it proved where the answers went."""

from __future__ import annotations

from pydantic import Field

from notemill.files import Record


class Output(Record):
    """A file that a load wrote, or found to be what it would write.

    form: parquet, csv or jsonl; sha256: of its bytes; rows: one a note; in_order: whether they are
    in the source's order, else in that of the ids; values_compared: read back, each equal.
    """

    path: str
    form: str
    sha256: str
    rows: int
    in_order: bool
    values_compared: int


class LoadReport(Record):
    """notes = answered + failed + not_relevant + blank, counted in the database or in the files.

    removed: rows that earlier loads of this experiment and cohort left and no note of the cohort
    has; values_compared: values read back from tables and files, each equal to the shards'.
    outputs: the files; results_table, failures_table: None where the answers went to files alone.
    rows: of the cohort's query; texts: distinct. Of all jobs, failed and repeated ones too: asked,
    texts asked; job_seconds, their wall time added up; tokens, of prompts and answers.
    evidence: answered notes by the grade of their evidence (answers/grades.py), all grades named;
    None where the task names none. not_relevant: settled by the task's gate; gate: of each of its
    rules the notes that it settled (`not_relevant`), and that were sent `cut` and `whole`; None
    where the task has none. nul: answers with a NUL character, which PostgreSQL can't store: their
    notes are among the failed ones, by the status `schema`.
    """

    cohort: str
    experiment: str
    results_table: str | None
    failures_table: str | None
    rows: int
    notes: int
    texts: int
    answered: int
    failed: int
    failed_by_status: dict[str, int]
    blank: int
    removed: int
    values_compared: int
    asked: int
    job_seconds: float
    tokens: int
    load_seconds: float
    evidence: dict[str, int] | None = None
    not_relevant: int = 0
    nul: int = 0
    gate: dict[str, dict[str, int]] | None = None
    outputs: list[Output] = Field(default_factory=list)

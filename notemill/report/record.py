"""The report as data: report.json, and what its page is made of.

No note, no quote, no free text of an answer, no host. Counts by what notes say or who they are are
cells, of which none is told below `smallest_cell` (cells.py); the others are exact.
Everything that notemill does not know is None or empty, and `unknown` says why.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from notemill.files import Record
from notemill.report.count import Count, Named, Part, exactly
from notemill.report.quality import Audited, Compared, Evaluated, Repeated
from notemill.statistics.figure import Figure


class CohortRead(Part):
    """Which notes: what was read, from where, when. Times are UTC.

    query: the SELECT; where source is `files`, the files with the sha256 of each.

    rows = notes + collapsed + dropped. collapsed: the same id with the same text again; dropped:
    left out by `same_id_different_text`. notes = blank + asked; null: of blank. texts: distinct
    ones among the notes that are asked; equal texts are asked once.
    """

    name: str
    query: str
    source: Literal["query", "files"] = "query"
    id_columns: list[str]
    text_column: str
    same_id_different_text: str
    server: str
    extracted_at: str
    digest: str
    notemill: str
    rows: Count
    collapsed: Count
    dropped: Count
    notes: Count
    blank: Count
    null: Count
    texts: Count
    asked: Count


class ModelUsed(Part):
    """Which model. digest: Ollama's manifest, else the weights' sha256; weights_sha256: the file's.

    details: of the weights' own head, as far as known: `architecture`, `name`, `size` (such as
    8B), `quantisation` (such as Q4_K_M), `context` (tokens that it was trained for).
    """

    name: str
    digest: str
    weights_sha256: str
    recorded_at: str
    details: dict[str, str]


class ExperimentAsked(Part):
    """What was asked, word for word.

    experiment: NAME-FINGERPRINT. user_prompt has the note's place, `{note}`: at its end, or near
    its beginning where several tasks are asked together (then it holds system.md as well).
    json_schema: JSON, as the engine was held to. options: as sent, and `attempts`,
    `engine`, `kv_cache_type`. engines: names and versions of what answered, from the answers
    themselves.
    """

    name: str
    experiment: str
    cohorts: list[str]
    task: str
    system_prompt: str
    user_prompt: str
    schema_source: str
    json_schema: str
    options: dict[str, str]
    engine_kind: str
    engines: list[str]
    model: ModelUsed


class Computing(Part):
    """Where and when, of one experiment over one cohort; hosts are not told. Times are UTC.

    gpus: kinds, with the jobs that ran on each: the last job of each shard. job_hours: wall time of
    all jobs, failed ones too; gpu_hours: the same where they held a GPU, None on a CPU or at an
    address. notes_per_s: by one job, while it ran. tokens: of all attempts, prompts and answers.
    kwh: job hours at the mean draw that the pilot measured, None where it measured none; watts:
    that draw, of all GPUs of a job. slots: that jobs' servers had; servers: numbers of them.
    """

    first_answer_at: str | None
    last_answer_at: str | None
    gpus: dict[str, int]
    jobs: int
    job_hours: float
    gpu_hours: float | None
    notes_per_s: float | None
    tokens: int
    watts: float | None
    kwh: float | None
    slots: list[int]
    servers: list[int] = Field(default_factory=lambda: [1])


class OverTime(Part):
    """How the work went. Seconds of the epoch.

    texts_per_s: [first second of a span of `width_s` seconds, texts a second in it], of all jobs
    together; spans without any are left out. shards_done: when each shard ended, in order.
    """

    width_s: int
    texts_per_s: list[tuple[int, float]]
    shards_done: list[int]


class Histogram(Part):
    """Notes by a number. edges: one more than counts; a bar has its first edge and not its last,
    the last bar has both. quantiles: share of notes to the value that so many do not exceed,
    where enough notes lie on both sides of it."""

    name: str
    unit: str
    edges: list[float]
    counts: list[Count]
    quantiles: dict[str, float]


class Across(Part):
    """Notes by class and by another thing: `length` (tokens of the prompt) or a date.

    by: what, `length` or `time`; columns: its ranges in order, in words; notes: in each.
    cells: a row for each class, a column for each range.
    """

    by: str
    columns: list[str]
    notes: list[int]
    classes: list[str]
    cells: list[list[Count]]


class FieldAnswered(Part):
    """What was answered in one field.

    kind: `choice`, whose classes are told; `number`, by a histogram; `text` and `list`, whose
    values are never told, by their length alone. description: of the schema. classes: of a choice
    field in the schema's order, those without a note too. null: answers that leave the field empty.
    across: by length and time.
    """

    name: str
    kind: Literal["choice", "number", "text", "list"]
    description: str
    classes: list[Named]
    null: Count
    histogram: Histogram | None
    across: list[Across]


class GateRule(Part):
    """Notes by what a rule of the task's gate did with them: not asked, sent cut, sent whole."""

    name: str
    not_relevant: Count
    cut: Count
    whole: Count


class Answered(Part):
    """One experiment over one cohort. asked = answered + failed + waiting; not_relevant: notes that
    the task's gate settled, which are not asked.

    gate: what its rules did, empty without one; gate_sent: of notes that it cut, the mean share of
    their characters that was sent. failed_by: notes by the reason, in words. waiting: notes of
    shards that are not done. attempts: notes by tries. evidence: notes by grade of the quote, empty
    where none is asked for. tokens: histograms of prompts and answers. loaded: whether a load has
    proven all of it; values_compared: that it read back, each equal, None before.
    results_table: None where the answers go to files alone; outputs: names of files.
    """

    cohort: str
    experiment: str
    asked: Count
    answered: Count
    failed: Count
    failed_by: list[Named]
    waiting: Count
    attempts: list[Named]
    not_relevant: Count = exactly(0)
    gate: list[GateRule] = Field(default_factory=list)
    gate_sent: float | None = None
    evidence: list[Named]
    evidence_found: Figure | None
    fields: list[FieldAnswered]
    tokens: list[Histogram]
    computing: Computing
    over_time: OverTime
    shards: int
    shards_done: int
    loaded: bool
    values_compared: int | None
    results_table: str | None
    outputs: list[str] = Field(default_factory=list)

    @property
    def kept_in(self) -> str:
        """What the answers were written to, and read back from."""
        files = "the file" if len(self.outputs) == 1 else "the files"
        tables = ["the database"] if self.results_table else []
        return " and ".join([*tables, *([files] if self.outputs else [])])


class Paragraph(Part):
    """A part of the methods, to paste: plain sentences, each there because its fact is known."""

    title: str
    sentences: list[str]


class ChecklistItem(Part):
    """An item of a reporting guideline, by its words.

    guideline: its short name; section: of the manuscript or the guideline. filled: what the run
    says to it, empty where it is yours to say. yours: what remains yours to say, empty where
    nothing does.
    """

    guideline: str
    section: str
    item: str
    filled: str
    yours: str


class Unknown(Part):
    """What a reader would ask and the report can't tell. remedy: empty if there is none."""

    what: str
    why: str
    remedy: str = ""


class Report(Record):
    """What a run came to. made_at: UTC.

    libraries: versions of what made the figures. smallest_cell: cells from 1 to below it are not
    told; 0 or 1: all are. missing: what a whole report would have and this one has not yet, empty
    if `done`. level, draws: of the intervals.
    """

    title: str
    made_at: str
    notemill: str
    libraries: dict[str, str]
    smallest_cell: int
    level: float
    draws: int
    done: bool
    missing: list[str]
    cohorts: list[CohortRead]
    experiments: list[ExperimentAsked]
    answers: list[Answered]
    evaluations: list[Evaluated]
    audits: list[Audited]
    comparisons: list[Compared]
    repeats: list[Repeated]
    methods: list[Paragraph]
    checklist: list[ChecklistItem]
    unknown: list[Unknown]

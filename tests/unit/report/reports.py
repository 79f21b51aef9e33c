"""Reports as a page may have to show them."""

from __future__ import annotations

from typing import Any

from notemill.report.count import Count, Named, exactly
from notemill.report.record import (
    Across,
    Answered,
    ChecklistItem,
    CohortRead,
    Computing,
    ExperimentAsked,
    FieldAnswered,
    Histogram,
    ModelUsed,
    OverTime,
    Paragraph,
    Report,
    Unknown,
)
from notemill.statistics.proportion import share
from tests.unit.report import judged

SMALL = Count(low=1, high=4)
SCHEMA = """from typing import Literal

from pydantic import BaseModel, Field


class Answer(BaseModel):
    response: Literal["yes", "no", "unclear"] = Field(description="Whether there is pneumonia")
    reason: str
"""
BEGAN = 1_794_000_000


def cohort(name: str = "chest_notes", **changes: Any) -> CohortRead:
    values = {
        "name": name,
        "query": "SELECT patientvisitid, accession, note_text\nFROM notes\nWHERE modality = 'CT'",
        "id_columns": ["patientvisitid", "accession"],
        "text_column": "note_text",
        "same_id_different_text": "refuse",
        "server": "MariaDB 11.4.3",
        "extracted_at": "2026-11-20T08:14:03+00:00",
        "digest": "3f" * 32,
        "notemill": "0.9.0",
        "rows": exactly(13_020),
        "collapsed": exactly(113),
        "dropped": exactly(0),
        "notes": exactly(12_907),
        "blank": exactly(61),
        "null": exactly(22),
        "texts": exactly(12_310),
        "asked": exactly(12_846),
    }
    return CohortRead(**(values | changes))


def asked(name: str = "pneumonia", **changes: Any) -> ExperimentAsked:
    values = {
        "name": name,
        "experiment": f"{name}-be294ea84522",
        "cohorts": ["chest_notes"],
        "task": name,
        "system_prompt": "You read radiology reports and answer one question about each.\n"
        'Answer in JSON. Say "unclear" where the report does not tell.',
        "user_prompt": "Does this report describe pneumonia as present?\n\n{note}",
        "schema_source": SCHEMA,
        "json_schema": '{"properties": {"response": {"enum": ["yes", "no", "unclear"]}}}',
        "options": {"temperature": "0", "seed": "1", "num_ctx": "8192", "num_predict": "256"},
        "engine_kind": "ollama",
        "engines": ["ollama 0.31.2"],
        "model": ModelUsed(
            name="llama3.1:8b-instruct-q4_K_M",
            digest="46e0c10c039e019119339687c3c1757cc81b9da49709a3b3924863ba87ca666e",
            weights_sha256="667b0c1932bc6ffc593ed1d03f895bf2dc8dc6df21db3042284a6f4416b06a29",
            recorded_at="2026-11-20T08:20:00+00:00",
            details={
                "architecture": "llama",
                "size": "8.0B",
                "quantisation": "Q4_K_M",
                "context": "131072",
            },
        ),
    }
    return ExperimentAsked(**(values | changes))


def lengths(name: str = "length of the prompt", unit: str = "tokens") -> Histogram:
    counts = [310, 1_840, 3_220, 2_910, 2_005, 1_240, 720, 390, 160, 51]
    return Histogram(
        name=name,
        unit=unit,
        edges=[float(200 * each) for each in range(11)],
        counts=[exactly(each) for each in counts],
        quantiles={"0.5": 655.0, "0.95": 1_420.0, "0.99": 1_730.0},
    )


def choice(**changes: Any) -> FieldAnswered:
    values = {
        "name": "response",
        "kind": "choice",
        "description": "Whether the report describes pneumonia as present",
        "classes": [
            Named(name="yes", count=exactly(2_114)),
            Named(name="no", count=exactly(9_920)),
            Named(name="unclear", count=exactly(775)),
        ],
        "null": exactly(0),
        "histogram": None,
        "across": [
            Across(
                by="length",
                columns=["up to 480 tokens", "480 to 810 tokens", "more than 810 tokens"],
                notes=[4_274, 4_271, 4_262],
                classes=["yes", "no", "unclear"],
                cells=[
                    [exactly(402), exactly(700), exactly(1_012)],
                    [exactly(3_700), exactly(3_300), exactly(2_920)],
                    [Count(low=170, high=174), exactly(271), exactly(330)],
                ],
            )
        ],
    }
    return FieldAnswered(**(values | changes))


def answered(experiment: str = "pneumonia-be294ea84522", **changes: Any) -> Answered:
    speeds = [(BEGAN + 60 * each, 9.5 + (each * 7 % 5) * 0.4) for each in range(23)]
    values = {
        "cohort": "chest_notes",
        "experiment": experiment,
        "asked": exactly(12_846),
        "answered": exactly(12_809),
        "failed": exactly(37),
        "failed_by": [
            Named(
                name="the answer was cut off: it is longer than num_predict allows",
                count=exactly(31),
            ),
            Named(name="prompts and note do not fit into num_ctx", count=SMALL),
            Named(name="no answer came in time, while others got theirs", count=SMALL),
        ],
        "waiting": exactly(0),
        "attempts": [
            Named(name="1", count=exactly(12_701)),
            Named(name="2", count=exactly(108)),
            Named(name="3", count=exactly(37)),
        ],
        "evidence": [
            Named(name="exact", count=exactly(9_870)),
            Named(name="normalised", count=exactly(1_210)),
            Named(name="ellipsis", count=exactly(402)),
            Named(name="near", count=exactly(331)),
            Named(name="absent", count=exactly(289)),
            Named(name="none", count=exactly(707)),
        ],
        "evidence_found": share(11_482, 12_809, why="no answer"),
        "fields": [
            choice(),
            FieldAnswered(
                name="reason",
                kind="text",
                description="",
                classes=[],
                null=exactly(0),
                histogram=lengths("length of reason", "characters"),
                across=[],
            ),
        ],
        "tokens": [lengths(), lengths("length of the answer", "tokens")],
        "computing": Computing(
            first_answer_at="2026-11-20T09:00:02+00:00",
            last_answer_at="2026-11-20T11:23:41+00:00",
            gpus={"NVIDIA A100-SXM4-40GB": 14, "NVIDIA L40S": 2},
            jobs=17,
            job_hours=3.42,
            gpu_hours=3.42,
            notes_per_s=1.04,
            tokens=9_812_004,
            watts=281.0,
            kwh=0.961,
            slots=[12, 16],
        ),
        "over_time": OverTime(
            width_s=60,
            texts_per_s=speeds,
            shards_done=[BEGAN + 85 * each for each in range(1, 17)],
        ),
        "shards": 16,
        "shards_done": 16,
        "loaded": True,
        "values_compared": 76_854,
        "results_table": "PNA_Results",
    }
    return Answered(**(values | changes))


def report(**changes: Any) -> Report:
    values = {
        "title": "pneumonia over chest_notes",
        "made_at": "2026-11-21T12:00:00+00:00",
        "notemill": "0.9.0",
        "libraries": {"numpy": "2.3.1", "scipy": "1.16.0", "pyarrow": "21.0"},
        "smallest_cell": 5,
        "level": 0.95,
        "draws": 4_000,
        "done": True,
        "missing": [],
        "cohorts": [cohort()],
        "experiments": [asked()],
        "answers": [answered()],
        "evaluations": [],
        "audits": [],
        "comparisons": [],
        "repeats": [],
        "methods": [
            Paragraph(
                title="Notes",
                sentences=[
                    "On 20 November 2026 13,020 rows were read from MariaDB 11.4.3.",
                    "They are 12,907 notes with 12,310 distinct texts.",
                ],
            ),
            Paragraph(title="Model", sentences=["llama3.1:8b-instruct-q4_K_M answered."]),
        ],
        "checklist": [
            ChecklistItem(
                guideline="MI-CLEAR-LLM",
                section="model",
                item="Name, version and date of the model",
                filled="llama3.1:8b-instruct-q4_K_M, digest 46e0c10c039e, asked on 2026-11-20",
                yours="",
            ),
            ChecklistItem(
                guideline="MI-CLEAR-LLM",
                section="data",
                item="Independence of the test data",
                filled="",
                yours="where the notes of the gold come from",
            ),
            ChecklistItem(
                guideline="TRIPOD-LLM",
                section="title",
                item="Identify the study as one of a large language model",
                filled="",
                yours="",
            ),
        ],
        "unknown": [
            Unknown(
                what="How good the answers are",
                why="the configuration has no evaluation",
                remedy="evaluations: in the configuration, or notemill audit draw",
            )
        ],
    }
    return Report(**(values | changes))


def rich(**changes: Any) -> Report:
    """A run of two experiments with all that tells how good its answers are."""
    values = {
        "title": "Pneumonia in chest reports",
        "experiments": [asked(), asked("pneumonia_brief", system_prompt="Answer in JSON.")],
        "answers": [answered(), answered("pneumonia_brief-be294ea84522")],
        "evaluations": [judged.evaluated()],
        "audits": [judged.audited()],
        "comparisons": [judged.compared()],
        "repeats": [judged.repeated()],
    }
    return report(**(values | changes))

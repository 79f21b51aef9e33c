"""Records of pilots, made by hand."""

from __future__ import annotations

from typing import Any

from notemill.answers.sweep import Step, Sweep
from notemill.pilot.record import AskedText, PilotRecord, ShardTexts


def asked_text(number: int, **changes: Any) -> AskedText:
    values = {
        "text_sha256": f"{number:064x}",
        "characters": 1000,
        "drawn": True,
        "status": "answered",
        "detail": "",
        "attempts": 1,
        "changes": "",
        "prompt_tokens": 400,
        "answer_tokens": 50,
        "seconds": 10.0,
        "slots": 1,
    }
    return AskedText(**(values | changes))


def sweep(*steps: Step, best: int | None = None, ended: str = "it was over") -> Sweep:
    return Sweep(
        gpu="NVIDIA L40S", steps=list(steps), best=best, ended=ended, measured_at="2026-11-21"
    )


def record(characters: int = 1000, **changes: Any) -> PilotRecord:
    """A pilot of 20 texts that took 10 seconds each with one slot. characters: the shard's mean."""
    values: dict[str, Any] = {
        "experiment": "cough-000000000000",
        "cohort": "chest",
        "model": "m:1",
        "model_digest": "0",
        "engine": "small 1",
        "host": "node1",
        "gpu": "NVIDIA L40S",
        "gpu_memory_mib": 46068,
        "gpus": 4,
        "slots": 1,
        "sweep": sweep(),
        "ready_s": 30.0,
        "shard": "0000",
        "shard_texts": shard_texts(characters=1000 * characters),
        "asked_before": 0,
        "asked": [asked_text(number) for number in range(20)],
        "journal_bytes": 400.0,
        "notemill": "0",
        "made_at": "2026-11-21",
        "seconds": 240.0,
    }
    return PilotRecord(**(values | changes))


def shard_texts(**changes: int) -> ShardTexts:
    values = {
        "texts": 1000,
        "characters": 1_000_000,
        "squared_characters": 1_200_000_000,
        "beyond_context": 0,
        "longest_prompt": 3000,
    }
    return ShardTexts(**(values | changes))

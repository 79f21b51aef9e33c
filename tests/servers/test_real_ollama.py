"""A shard's job with a real Ollama, where there is one."""

from __future__ import annotations

from pathlib import Path

from tests.servers.real_ollama import THREADS, make_store
from tests.servers.shard_site import ShardSite

RESPONSES = {"(1) Likely", "(2) Unlikely", "(3) Unable to say because of lack of information"}


def test_a_real_ollama_answers_every_note_but_the_one_that_is_too_long(
    tmp_path: Path, real_ollama: Path, weights: Path
) -> None:
    engine = {
        "command": [str(real_ollama)],
        "models": str(make_store(real_ollama, weights, tmp_path)),
        "runner_options": THREADS,
        "environment": {},
        "slots": 2,
    }
    experiment = {"model": "random", "options": {"num_ctx": 2048, "num_predict": 512}}
    notes = [f"Note {n}: no fever, no cough." for n in range(6)]
    site = ShardSite(tmp_path, [*notes, "Clear lungs. " * 400], engine, experiment)
    *rows, long = site.answer()
    assert [row["status"] for row in rows] == ["answered"] * 6
    assert {row["llm_response"] for row in rows} <= RESPONSES
    assert all(row["engine"].startswith("ollama 0.") for row in rows)
    assert (long["status"], long["llm_response"]) == ("too_long", None)

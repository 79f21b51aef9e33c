"""A shard's job with a real Ollama, where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.chat import MARKERS
from notemill.answers.shard import read_origin
from notemill.pilot.job import run_pilots
from tests.servers.real_ollama import THREADS, TINY, TINY_EXPERIMENT, make_store, tiny_ollama
from tests.servers.shard_site import ShardSite
from tests.servers.test_break_out import ORDER, TEXTS

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


def test_a_real_ollama_reads_a_broken_up_control_token_as_llama_cpp_does(
    tmp_path: Path, real_ollama: Path
) -> None:
    """The shipped model in both engines: the same prompts, token for token."""
    for folder in ("ollama", "embedded"):
        (tmp_path / folder).mkdir()
    ollama = tiny_ollama(real_ollama, tmp_path / "ollama")
    engine = {"slots": 1, "gpu": "off"}
    notes = [f"Clear lungs.{marker}No cough." for marker in [*MARKERS, "</s>", "<s>", "<unk>"]]
    notes += ["".join(MARKERS), "Clear lungs.", "r", "7"]
    theirs = ShardSite(tmp_path / "ollama", notes, engine | ollama, TINY_EXPERIMENT).answer()
    ours = ShardSite(
        tmp_path / "embedded",
        notes,
        engine | {"kind": "llamacpp", "weights": str(TINY)},
        TINY_EXPERIMENT,
    ).answer()
    columns = ("control_tokens", "prompt_tokens", "llm_response")
    for our, their in zip(ours, theirs, strict=True):
        assert [our[column] for column in columns] == [their[column] for column in columns]
    assert [row["control_tokens"] for row in ours] == [1] * 7 + [4, 0, 0, 0]


def test_no_note_breaks_out_of_a_real_ollama(
    tmp_path: Path, real_ollama: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same texts as with the embedded engine: each has its own row, at worst a failed one."""
    engine = tiny_ollama(real_ollama, tmp_path) | {"slots": 2}
    rows = ShardSite(tmp_path, [*TEXTS, "No\0cough."], engine, TINY_EXPERIMENT).answer()
    assert [row["id"] for row in rows] == list(range(1, len(TEXTS) + 2))
    for row, text in zip(rows, [*TEXTS, "No\0cough."], strict=True):
        if len(text) > 100_000:
            assert row["status"] == "too_long"
        else:
            assert row["status"] in {"answered", "truncated", "schema", "invalid_json"}
        assert row["llm_response"] in (RESPONSES if row["status"] == "answered" else {None})
    assert sum(row["status"] == "answered" for row in rows) > len(rows) // 2
    assert ORDER not in caplog.text


def test_a_pilot_sweeps_a_real_ollama_and_its_shard_asks_the_rest(
    tmp_path: Path, real_ollama: Path, weights: Path
) -> None:
    engine = {
        "command": [str(real_ollama)],
        "models": str(make_store(real_ollama, weights, tmp_path)),
        "runner_options": THREADS,
        "environment": {},
        "slots": "auto",
    }
    experiment = {
        "model": "random",
        "options": {"num_ctx": 2048, "num_predict": 512},
        "pilot": {"notes": 4, "most_slots": 2},
    }
    site = ShardSite(tmp_path, [f"Note {n}: no fever, no cough." for n in range(40)], engine)
    site.experiment = experiment
    (record,) = run_pilots([site.job()])
    assert record.engine.startswith("ollama 0.")
    assert [step.slots for step in record.sweep.steps] in ([1], [1, 2])
    assert not any(step.why_not for step in record.sweep.steps)
    most = max(record.classes, key=lambda each: each.texts)
    assert record.slots == most.slots == record.sweep.slots_at(most.context, 2048)
    answered = {text.text_sha256 for text in record.asked if text.status == "answered"}
    rows = site.answer()
    assert len(rows) == 40
    assert read_origin(site.job().output).asked == 40 + len(record.asked) - len(answered)

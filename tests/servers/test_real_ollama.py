"""A shard's job with a real Ollama, where there is one."""

from __future__ import annotations

from pathlib import Path

from models.chat import MARKERS
from notemill.answers.shard import read_origin
from notemill.pilot.job import run_pilot
from tests.servers.real_ollama import THREADS, make_store
from tests.servers.shard_site import ShardSite
from tests.workflow.project import REPOSITORY

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
    tiny = REPOSITORY / "models" / "notemill-tiny.gguf"
    modelfile = (REPOSITORY / "models" / "Modelfile").read_text().partition("\n")[2]
    for folder in ("ollama", "embedded"):
        (tmp_path / folder).mkdir()
    store = make_store(real_ollama, tiny, tmp_path / "ollama", "tiny", modelfile)
    engine = {"slots": 1, "gpu": "off"}
    ollama = {"command": [str(real_ollama)], "models": str(store), "runner_options": THREADS}
    experiment = {"model": "tiny", "options": {"num_ctx": 1024, "num_predict": 200}}
    notes = [f"Clear lungs.{marker}No cough." for marker in [*MARKERS, "</s>", "<s>", "<unk>"]]
    notes += ["".join(MARKERS), "Clear lungs.", "r", "7"]
    theirs = ShardSite(
        tmp_path / "ollama", notes, engine | ollama | {"environment": {}}, experiment
    ).answer()
    ours = ShardSite(
        tmp_path / "embedded",
        notes,
        engine | {"kind": "llamacpp", "weights": str(tiny)},
        experiment,
    ).answer()
    columns = ("control_tokens", "prompt_tokens", "llm_response")
    for our, their in zip(ours, theirs, strict=True):
        assert [our[column] for column in columns] == [their[column] for column in columns]
    assert [row["control_tokens"] for row in ours] == [1] * 7 + [4, 0, 0, 0]


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
    record = run_pilot(site.job())
    assert record.engine.startswith("ollama 0.")
    assert [step.slots for step in record.sweep.steps] in ([1], [1, 2])
    assert not any(step.why_not for step in record.sweep.steps)
    assert record.slots == record.sweep.best
    answered = {text.text_sha256 for text in record.asked if text.status == "answered"}
    rows = site.answer()
    assert len(rows) == 40
    assert read_origin(site.job().output).asked == 40 + len(record.asked) - len(answered)

"""notemill.engines.model and .record, as far as no server is needed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import gguf
import pytest

from notemill.config import LlamaCppEngine, OllamaEngine, OpenAiEngine
from notemill.engines.details import QUANTISATIONS
from notemill.engines.kinds import record_model
from notemill.engines.record import read_record
from notemill.errors import NotemillError
from tests.unit.engines.test_ollama_store import MODEL, TEMPLATE, WEIGHTS, put

TINY = Path(__file__).parents[3] / "models" / "notemill-tiny.gguf"
LOG = Path("/nosuch/engine.log")  # no server is started


def ollama(store: Path) -> OllamaEngine:
    return OllamaEngine(kind="ollama", models=store)


def test_a_model_of_the_store_is_recorded_with_its_layers(tmp_path: Path) -> None:
    digest = put(tmp_path, "registry.ollama.ai/library/m/8b")
    record = record_model(ollama(tmp_path), "m:8b", LOG)
    assert (record.engine, record.model, record.digest) == ("ollama", "m:8b", digest)
    assert record.weights_sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert set(record.layers) == {MODEL, TEMPLATE}
    assert record.control_tokens == ["<|im_start|>"]  # its template's


def test_a_model_that_is_missing_and_may_not_be_pulled_is_named(tmp_path: Path) -> None:
    put(tmp_path, "registry.ollama.ai/library/m/8b")
    with pytest.raises(NotemillError, match=r"'m:7b' is not in the store, which holds: m:8b") as no:
        record_model(ollama(tmp_path), "m:7b", LOG)
    assert "pull: true" in no.value.remedy


def test_damaged_weights_are_not_recorded(tmp_path: Path) -> None:
    put(tmp_path, "registry.ollama.ai/library/m/8b")
    for blob in (tmp_path / "blobs").iterdir():
        blob.write_bytes(b"damaged")
    with pytest.raises(NotemillError, match="damaged"):
        record_model(ollama(tmp_path), "m:8b", LOG)


def test_a_weights_file_is_recorded_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(WEIGHTS)
    engine = OpenAiEngine(kind="openai", weights=tmp_path / "m.gguf", command=["server"])
    record = record_model(engine, "m", LOG)
    assert record.digest == record.weights_sha256 == hashlib.sha256(WEIGHTS).hexdigest()


def test_the_control_tokens_of_a_weights_file_are_recorded() -> None:
    engine = LlamaCppEngine(kind="llamacpp", weights=TINY)
    assert "<|assistant|>" in (record_model(engine, "m", LOG).control_tokens or [])


def test_weights_that_are_no_gguf_have_no_known_control_tokens(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"something else")
    engine = OpenAiEngine(kind="openai", weights=tmp_path / "m.safetensors", command=["server"])
    assert record_model(engine, "m", LOG).control_tokens is None


def test_a_missing_weights_file_is_named(tmp_path: Path) -> None:
    engine = OpenAiEngine(kind="openai", weights=tmp_path / "m.gguf", command=["server"])
    with pytest.raises(NotemillError, match="are not there") as refused:
        record_model(engine, "m", LOG)
    assert str(tmp_path / "m.gguf") in str(refused.value.where)


def test_a_remote_model_is_recorded_by_its_name() -> None:
    engine = OpenAiEngine(kind="openai", address="https://h/v1")
    assert record_model(engine, "m", LOG).digest == ""


def test_a_record_comes_back_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    record = record_model(OpenAiEngine(kind="openai", address="https://h/v1"), "m", LOG)
    record.write(path)
    assert read_record(path) == record
    for damage in ("", "{}", path.read_text()[:-5]):
        path.write_text(damage)
        with pytest.raises(NotemillError, match="no model record"):
            read_record(path)


def test_what_the_head_of_the_weights_says_is_recorded() -> None:
    record = record_model(LlamaCppEngine(kind="llamacpp", weights=TINY), "m", LOG)
    assert record.details == {
        "name": "notemill-tiny",
        "architecture": "llama",
        "license": "MIT",
        "quantisation": "F16",
        "context": "1024",
    }


def test_weights_that_are_no_gguf_have_no_details(tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(WEIGHTS)
    engine = OpenAiEngine(kind="openai", weights=tmp_path / "m.bin", command=["server"])
    assert record_model(engine, "m", LOG).details == {}


def test_quantisations_are_named_as_the_format_names_them() -> None:
    named = {kind.value: kind.name for kind in gguf.LlamaFileType}
    for number, name in QUANTISATIONS.items():
        assert named[number] in (f"MOSTLY_{name}", f"ALL_{name}")

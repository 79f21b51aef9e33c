"""notemill.engines.ollama.store, on stores as Ollama lays them out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from notemill.engines.ollama.store import find_model, manifest_path, stored_models
from notemill.errors import NotemillError

MODEL = "application/vnd.ollama.image.model"
TEMPLATE = "application/vnd.ollama.image.template"


WEIGHTS = b"GGUF" + bytes([3, 0, 0, 0]) + bytes(16)
"""A GGUF with nothing in it."""


def put(store: Path, place: str, weights: bytes = WEIGHTS) -> str:
    """A model in the store, at its place below manifests/; returns its digest."""
    (store / "blobs").mkdir(parents=True, exist_ok=True)
    layers = []
    for kind, content in ((MODEL, weights), (TEMPLATE, b"<|im_start|>{{ .Prompt }}")):
        digest = hashlib.sha256(content).hexdigest()
        (store / "blobs" / f"sha256-{digest}").write_bytes(content)
        layers.append({"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)})
    manifest = store / "manifests" / place
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    return hashlib.sha256(manifest.read_bytes()).hexdigest()


NAMES = [
    ("m", "registry.ollama.ai/library/m/latest"),
    ("m:8b", "registry.ollama.ai/library/m/8b"),
    ("llama3.1:8b-instruct-q8_0", "registry.ollama.ai/library/llama3.1/8b-instruct-q8_0"),
    ("me/m", "registry.ollama.ai/me/m/latest"),
    ("me/m:1", "registry.ollama.ai/me/m/1"),
    ("hf.co/me/m-GGUF:Q4_K_M", "hf.co/me/m-GGUF/Q4_K_M"),
    ("host:5000/me/m", "host:5000/me/m/latest"),
    ("host:5000/me/m:1", "host:5000/me/m/1"),
]


@pytest.mark.parametrize(("name", "place"), NAMES)
def test_a_model_is_found_by_each_kind_of_name(tmp_path: Path, name: str, place: str) -> None:
    assert str(manifest_path(name)) == place
    digest = put(tmp_path, place)
    found = find_model(tmp_path, name)
    assert found is not None
    assert found.digest == digest
    assert found.layers[MODEL] == hashlib.sha256(WEIGHTS).hexdigest()
    assert found.verified_weights() == found.layers[MODEL]


def test_the_stores_models_are_listed_as_users_name_them(tmp_path: Path) -> None:
    assert stored_models(tmp_path) == []
    for _, place in NAMES:
        put(tmp_path, place)
    assert sorted(stored_models(tmp_path)) == sorted(
        name if ":" in name.rpartition("/")[2] else f"{name}:latest" for name, _ in NAMES
    )


def test_a_model_that_is_not_there_is_none(tmp_path: Path) -> None:
    put(tmp_path, "registry.ollama.ai/library/m/8b")
    for name in ("m", "m:7b", "other:8b", "me/m:8b", "hf.co/library/m:8b"):
        assert find_model(tmp_path, name) is None


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match="store is not there") as refused:
        find_model(tmp_path / "absent", "m")
    assert str(tmp_path / "absent") in str(refused.value.where)
    assert "`models`" in refused.value.remedy


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        '{"layers": null}',
        '{"layers": [3]}',
        '{"layers": [{"mediaType": "m"}]}',
        '{"layers": [{"mediaType": "m", "digest": 3}]}',
        '{"layers": [{"mediaType": ["m"], "digest": "sha256:0"}]}',
        json.dumps({"layers": [{"mediaType": TEMPLATE, "digest": "sha256:0"}]}),  # no weights
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, manifest: str) -> None:
    put(tmp_path, "registry.ollama.ai/library/m/latest")
    path = tmp_path / "manifests/registry.ollama.ai/library/m/latest"
    path.write_text(manifest)
    with pytest.raises(NotemillError, match="manifest of model 'm' is damaged") as refused:
        find_model(tmp_path, "m")
    assert refused.value.where == str(path)
    assert "ollama rm" in refused.value.remedy


def test_damaged_weights_are_noticed(tmp_path: Path) -> None:
    put(tmp_path, "registry.ollama.ai/library/m/latest")
    found = find_model(tmp_path, "m")
    assert found is not None
    found.weights.write_bytes(b"GGUG")
    with pytest.raises(NotemillError, match="weights are damaged") as refused:
        found.verified_weights()
    assert refused.value.where == str(found.weights)


def test_missing_weights_are_noticed(tmp_path: Path) -> None:
    put(tmp_path, "registry.ollama.ai/library/m/latest")
    found = find_model(tmp_path, "m")
    assert found is not None
    found.weights.unlink()
    with pytest.raises(NotemillError, match="weights are missing") as refused:
        found.verified_weights()
    assert "OLLAMA_NOPRUNE" in refused.value.remedy

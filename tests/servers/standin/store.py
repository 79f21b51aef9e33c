"""Ollama's model store: manifests/REGISTRY/NAMESPACE/MODEL/TAG and blobs/sha256-HEX."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REGISTRY = "registry.ollama.ai"
DEFAULT_CONTEXT = 32768
_TYPE = "application/vnd.ollama.image."
_EMPTY_GGUF = b"GGUF" + (3).to_bytes(4, "little") + bytes(16)
"""The head of a GGUF without metadata and tensors."""


@dataclass(frozen=True)
class Model:
    """A model of the store. digest: sha256 of its manifest file; size: bytes of all layers;
    context_length: the most tokens it holds."""

    name: str
    digest: str
    size: int
    context_length: int
    modified: float


def make_model(
    store: Path, name: str = "standin", context_length: int = DEFAULT_CONTEXT, weights: str = ""
) -> str:
    """Put a tiny model into the store, made if need be; returns the digest of its manifest.

    Its "weights" say only its context length and `weights`; they make models differ.
    """
    content = {"context_length": context_length, "weights": weights}
    layers = [
        _blob(store, "model", _EMPTY_GGUF + json.dumps(content).encode()),
        _blob(store, "template", b"{{ .Prompt }}"),
        _blob(store, "params", json.dumps({"stop": ["<|im_end|>"]}).encode()),
    ]
    config = json.dumps({"model_format": "gguf", "model_family": "llama", "file_type": "F32"})
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": _blob(store, "config", config.encode())
        | {"mediaType": "application/vnd.docker.container.image.v1+json"},
        "layers": layers,
    }
    path = _manifest(store, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def models(store: Path) -> list[Model]:
    """Every model of the store, those without a host or namespace of their own by short names."""
    root = store / "manifests"
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        *folders, tag = path.relative_to(root).parts
        for default in (REGISTRY, "library"):
            folders = folders[1:] if folders[0] == default else folders
        found.append(_read(store, path, f"{'/'.join(folders)}:{tag}"))
    return found


def find(store: Path, name: str) -> Model | None:
    """The model of this name, None if the store does not have it."""
    path = _manifest(store, name)
    full = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    return _read(store, path, full) if path.is_file() else None


def _read(store: Path, manifest: Path, name: str) -> Model:
    content = manifest.read_bytes()
    fields = json.loads(content)
    sizes = [layer["size"] for layer in [*fields["layers"], fields["config"]]]
    weights = next(each for each in fields["layers"] if each["mediaType"] == _TYPE + "model")
    blob = store / "blobs" / weights["digest"].replace(":", "-")
    return Model(
        name=name,
        digest=hashlib.sha256(content).hexdigest(),
        size=sum(sizes),
        context_length=_context_length(blob),
        modified=manifest.stat().st_mtime,
    )


def _context_length(weights: Path) -> int:
    try:
        return int(json.loads(weights.read_bytes()[len(_EMPTY_GGUF) :])["context_length"])
    except ValueError:
        return DEFAULT_CONTEXT  # a real GGUF


def _manifest(store: Path, name: str) -> Path:
    path, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
    parts = path.split("/")
    defaults = [REGISTRY, "library"][: max(0, 3 - len(parts))]
    return store.joinpath("manifests", *defaults, *parts, tag)


def _blob(store: Path, kind: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    folder = store / "blobs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"sha256-{digest}").write_bytes(content)
    return {"mediaType": _TYPE + kind, "digest": f"sha256:{digest}", "size": len(content)}

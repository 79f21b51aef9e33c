"""Ollama's model store on disk: which model is there, under which digest, with which weights."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from notemill.engines.staging import Part
from notemill.errors import EngineRefused
from notemill.files import explained, sha256_of_file

_WEIGHTS = "application/vnd.ollama.image.model"
_TEMPLATE = "application/vnd.ollama.image.template"


@dataclass(frozen=True)
class StoredModel:
    """A model of the store. digest: sha256 of its manifest file; layers: media type to digest."""

    digest: str
    layers: dict[str, str]
    store: Path

    @property
    def weights(self) -> Path:
        """The weights' file."""
        return self._blob(_WEIGHTS)

    def template(self) -> str:
        """The model's own template, empty if it has none."""
        if _TEMPLATE not in self.layers:
            return ""
        path = self._blob(_TEMPLATE)
        with explained(path):
            return path.read_bytes().decode(errors="replace")

    def _blob(self, media_type: str) -> Path:
        return self.store / "blobs" / f"sha256-{self.layers[media_type]}"

    def verified_weights(self) -> str:
        """The weights' sha256, read from the bytes. Raises EngineRefused if they are damaged."""
        if not self.weights.is_file():
            raise EngineRefused(
                "the model's weights are missing from the store",
                where=str(self.weights),
                remedy="pull the model again; a server started on this store without "
                "OLLAMA_NOPRUNE=1 may have removed them",
            )
        actual = sha256_of_file(self.weights)
        if actual != self.layers[_WEIGHTS]:
            raise EngineRefused(
                "the model's weights are damaged: their sha256 is not the one in their name",
                where=str(self.weights),
                remedy="remove the model (ollama rm) and pull it again",
            )
        return actual


def find_model(store: Path, name: str) -> StoredModel | None:
    """The model of this name, None if the store does not have it.

    Raises EngineRefused for a folder that is no model store.
    """
    if not store.is_dir():
        raise EngineRefused(
            "the model store is not there",
            where=f"{store} (engines.*.models)",
            remedy="set `models` to the folder that holds Ollama's blobs/ and manifests/",
        )
    path = store / "manifests" / manifest_path(name)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        layers = {
            layer["mediaType"]: layer["digest"].removeprefix("sha256:")
            for layer in json.loads(content)["layers"]
        }
        layers[_WEIGHTS]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EngineRefused(
            f"the store's manifest of model '{name}' is damaged or holds no weights",
            where=str(path),
            remedy="remove the model (ollama rm) and pull it again",
        ) from None
    return StoredModel(hashlib.sha256(content).hexdigest(), layers, store)


def parts_of(store: Path, name: str, digest: str) -> list[Part]:
    """The files of a model of the store, for a copy of it. digest: sha256 of its manifest.

    Raises EngineRefused when it is not there, or its manifest is damaged.
    """
    path = manifest_path(name)
    try:
        found = json.loads((store / "manifests" / path).read_bytes())
        layers = [found["config"], *found["layers"]]
        digests = dict.fromkeys(layer["digest"].removeprefix("sha256:") for layer in layers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise EngineRefused(
            f"the store's manifest of model '{name}' is not there, or damaged",
            where=str(store / "manifests" / path),
            remedy="pull the model again",
        ) from None
    blobs = [Path("blobs", f"sha256-{each}") for each in digests]
    return [
        Part(store / "manifests" / path, f"manifests/{path}", digest),
        *(Part(store / blob, str(blob), each) for blob, each in zip(blobs, digests, strict=True)),
    ]


def stored_models(store: Path) -> list[str]:
    """Names of the models in the store, for messages."""
    manifests = store / "manifests"
    names = []
    for path in sorted(path for path in manifests.rglob("*") if path.is_file()):
        *folders, tag = path.relative_to(manifests).parts
        if folders[:2] == ["registry.ollama.ai", "library"]:
            folders = folders[2:]
        elif folders[:1] == ["registry.ollama.ai"]:
            folders = folders[1:]
        names.append(f"{'/'.join(folders)}:{tag}")
    return names


def manifest_path(name: str) -> Path:
    """Where Ollama keeps a model's manifest: [host/][namespace/]model[:tag]."""
    path, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
    parts = path.split("/")
    defaults = ["registry.ollama.ai", "library"]
    return Path(*defaults[: max(0, 3 - len(parts))], *parts, tag)

"""The record of a model: what it is, so that every row can say which weights made it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from notemill.files import Record, read_json


class ModelRecord(Record):
    """A model as an engine has it.

    digest: Ollama's manifest digest, else the weights' sha256; empty when a remote server hides it.
    weights_sha256: of the weights' file, checked against its bytes; empty when not to be had.
    layers: media type and digest of each layer of the model (Ollama).
    control_tokens: of its vocabulary and templates; None when its weights can't be read (a GGUF
    can): then the known ones of other models are taken for its own.
    details: what the head of a GGUF says of it (engines.details), empty where nothing does.
    """

    engine: str
    model: str
    digest: str
    weights_sha256: str
    layers: dict[str, str] = Field(default_factory=dict)
    control_tokens: list[str] | None = None
    details: dict[str, str] = Field(default_factory=dict)
    recorded_at: str


def read_record(path: Path) -> ModelRecord:
    """Read a model record. Raises NotemillError if it is not one."""
    return read_json(
        ModelRecord,
        path,
        problem="this is no model record",
        remedy="delete it and run again: the model is recorded anew",
    )


def former_or_new(former: str, digest: str) -> str:
    """Remedy for a model that is not its record's any more. digest: what it has now."""
    return (
        f"{former}; or, to ask this one beside the old answers, set `digest: {digest}` in the "
        "experiment and delete the model's record in the folder models/ of `results`"
    )

"""A cohort's manifest: what was read, when, from where, and what each shard holds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from notemill.files import read_json, write_text

IdKind = Literal["integer", "text", "binary", "decimal", "date", "timestamp"]


class IdColumn(BaseModel):
    """An id column. length: declared characters or bytes; scale: digits after the point."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: IdKind
    length: int | None = None
    scale: int | None = None


class ShardEntry(BaseModel):
    """One notes shard. digest: sha256 over its rows' ids, texts and states, not over the file."""

    model_config = ConfigDict(frozen=True)

    name: str
    notes: int
    texts: int
    digest: str


class Counts(BaseModel):
    """rows = notes + collapsed + dropped; notes include the blank ones, of which `null` are NULL.

    texts: distinct texts that will be asked; replaced: notes with invalid bytes replaced.
    """

    rows: int = 0
    notes: int = 0
    texts: int = 0
    blank: int = 0
    null: int = 0
    collapsed: int = 0
    dropped: int = 0
    replaced: int = 0


class Manifest(BaseModel):
    """Everything that is known of a cohort's snapshot; written last, after its shards."""

    cohort: str
    query: str
    id_columns: list[IdColumn]
    text_column: str
    counts: Counts
    shards: list[ShardEntry]
    extracted_at: str
    seconds: float
    server: str
    notemill: str

    def shard(self, name: str) -> ShardEntry:
        """The entry of the shard of this name."""
        return next(entry for entry in self.shards if entry.name == name)

    def same_notes(self, other: Manifest) -> bool:
        """Whether both hold the very same notes in the same shards."""
        return self.shards == other.shards and self.id_columns == other.id_columns

    def write(self, path: Path) -> None:
        """Write as JSON, whole."""
        write_text(path, self.model_dump_json(indent=2) + "\n")


def read_manifest(path: Path) -> Manifest:
    """Read a manifest. Raises NotemillError if it is not one."""
    return read_json(
        Manifest,
        path,
        problem="this is no complete cohort manifest",
        remedy="delete it and run again: the cohort is extracted anew",
    )

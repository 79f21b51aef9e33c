"""A cohort's manifest: what was read, when, from where, and what each shard holds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.files import Record, read_json
from notemill.notes.sources.record import FilesRead

SameId = Literal["error", "first", "last"]


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


class Snapshot(Record):
    """What a cohort is, however it is cut.

    query or files: where the notes came from. digest: sha256 over all notes' ids, texts and states
    in the order of the texts' hashes, which no number of shards and no order of the rows changes.
    """

    cohort: str
    query: str = ""
    files: FilesRead | None = None
    id_columns: list[IdColumn]
    text_column: str
    same_id_different_text: SameId
    counts: Counts
    digest: str
    extracted_at: str
    seconds: float
    server: str
    notemill: str

    @property
    def numbered(self) -> bool:
        """Whether the line's number is the id."""
        return self.files is not None and self.files.numbered

    @property
    def messages(self) -> bool:
        """Whether the notes are chat messages."""
        return self.files is not None and self.files.messages

    @property
    def source(self) -> str:
        """The query word for word, or the files with their sha256, for a record."""
        return self.query if self.files is None else str(self.files)


class Manifest(Snapshot):
    """A cohort in its shards: of one cut everything that is known. Written after its shards."""

    shards: list[ShardEntry]

    def shard(self, name: str) -> ShardEntry:
        """The entry of the shard of this name."""
        return next(entry for entry in self.shards if entry.name == name)


class Frozen(Snapshot):
    """A cohort as it was first read, and its cut in force: the number of shards."""

    cut: int


def read_manifest(path: Path, *, of: str | None = None) -> Manifest:
    """Read a manifest. Raises NotemillError if it is not one, or of another cohort than `of`."""
    remedy = "delete it and run again: it is written anew from the notes shards"
    problem = "this is no complete cohort manifest"
    manifest = read_json(Manifest, path, problem=problem, remedy=remedy)
    if of not in (None, manifest.cohort):
        raise NotemillError(
            f"this is the manifest of cohort '{manifest.cohort}', not of '{of}'",
            where=str(path),
            remedy=remedy,
        )
    return manifest


def read_frozen(path: Path) -> Frozen | None:
    """What the cohort was when it was first read, None before. Raises NotemillError if damaged."""
    if not path.exists():
        return None
    return read_json(
        Frozen,
        path,
        problem="this file should say what the cohort was when it was first read, and does not",
        remedy="bring it back from a backup; or delete it and run snakemake once with `--forcerun "
        "extract` added: the cohort is read anew, and keeps the answers of texts still in it",
    )

"""The notes that an extract has written, read back."""

from __future__ import annotations

from typing import Any

from notemill.notes.manifest import read_manifest
from notemill.notes.shard import Note, read_notes
from notemill.paths import cut_name, shard_names
from tests.unit.conftest import Clinic


def shards_of(clinic: Clinic, name: str = "chest", shards: int = 3) -> list[list[Note]]:
    """The notes of each shard, read back."""
    columns = read_manifest(clinic.manifest(name)).id_columns
    cut = cut_name(shards)
    return [
        list(read_notes(clinic.layout.notes(name, cut, shard), columns, with_text=True))
        for shard in shard_names(shards)
    ]


def notes_of(clinic: Clinic) -> dict[Any, str | None]:
    """Text of each visit."""
    return {note.ids[0]: note.text for shard in shards_of(clinic) for note in shard}

"""A folder with files of notes, and what a cohort makes of them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from notemill.answers.recut import JournaledAnswers
from notemill.config import Cohort
from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.notes.extract import extract
from notemill.notes.manifest import Manifest
from notemill.notes.shard import read_notes
from notemill.notes.sources.row import SourceRow
from notemill.notes.sources.rows import read_again
from notemill.paths import Layout, cut_name

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda content: pa.Codec("zstd").compress(content).to_pybytes(),
}


class Source:
    """Files below `folder`, and a results folder beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "notes"
        self.folder.mkdir()
        self.layout = Layout(folder / "results")

    def write(self, name: str, content: str | bytes) -> Path:
        """A file, packed as its name says."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        given = content.encode() if isinstance(content, str) else content
        pack = PACKED.get(path.suffix, bytes)
        path.write_bytes(pack(given))
        return path

    def cohort(self, files: Any, **changes: Any) -> Cohort:
        """A cohort of these files. By default with `id` and `text`; None leaves a key out."""
        listed = [files] if isinstance(files, str) else files
        values = {"id_columns": ["id"], "text_column": "text", "shards": 2, **changes}
        kept = {key: value for key, value in values.items() if value is not None}
        return Cohort(files=[self.folder / each for each in listed], **kept)

    def extract(self, files: Any, **changes: Any) -> Manifest:
        """Read the files, as the workflow does without a database."""
        cohort = self.cohort(files, **changes)
        return extract(None, "c", cohort, self.layout, JournaledAnswers(self.layout, "c"))

    def notes(self, manifest: Manifest) -> dict[tuple[Any, ...], str | None]:
        """What lies in the notes shards: text by ids."""
        shards = len(manifest.shards)
        return {
            note.ids: note.text
            for shard in manifest.shards
            for note in read_notes(
                self.layout.notes("c", cut_name(shards), shard.name),
                manifest.id_columns,
                with_text=True,
            )
        }

    def read(self, files: Any, **changes: Any) -> dict[tuple[Any, ...], str | None]:
        return self.notes(self.extract(files, **changes))

    def again(self, files: Any, manifest: Manifest, **changes: Any) -> list[SourceRow]:
        """The rows once more, as results are written beside them."""
        assert manifest.files
        return [*read_again("c", self.cohort(files, **changes), manifest.files)]

    def refusal(self, files: Any, **changes: Any) -> NotemillError:
        """How the files are refused; nothing of them is kept."""
        with pytest.raises(NotemillError) as refused:
            self.extract(files, **changes)
        left = [path for path in self.layout.results.rglob("*") if path.is_file()]
        assert [path.name for path in left] == [".lock"]
        assert refused.value.where
        assert "PRIVATE" not in str(refused.value)
        return refused.value


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def kinds(columns: list[IdColumn]) -> list[str]:
    return [column.kind for column in columns]

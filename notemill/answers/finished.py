"""An experiment's result shards over a cohort, all of them there: what is told of its answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from notemill.answers.columns import AnswerColumn, answer_columns
from notemill.answers.shard import ShardOrigin, read_answers, read_origin
from notemill.errors import NotemillError
from notemill.notes.manifest import Manifest, read_manifest
from notemill.notes.shard import read_notes
from notemill.paths import Layout, cut_name
from notemill.tasks.run import Run

_ROWS = 10_000


@dataclass(frozen=True)
class Finished:
    """A run's answers over one cohort.

    columns: of the answer, by its fields' names; shards: result shards in the manifest's order.
    """

    layout: Layout
    cohort: str
    run: Run
    manifest: Manifest
    columns: dict[str, AnswerColumn]
    shards: list[Path]

    @property
    def id_names(self) -> list[str]:
        return [column.name for column in self.manifest.id_columns]

    def rows(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """These columns of all notes, some at a time, in the order of the shards."""
        for path in self.shards:
            yield from read_answers(path, _ROWS, columns=columns)

    def origins(self) -> list[ShardOrigin]:
        """What made each shard, and what it cost."""
        return [read_origin(path) for path in self.shards]

    def texts(self, wanted: Collection[str]) -> Iterator[tuple[str, str]]:
        """These texts, by their hash (hex), each once, in the order of the shards."""
        yield from texts_of(self.layout, self.manifest, wanted)


def texts_of(
    layout: Layout, manifest: Manifest, wanted: Collection[str]
) -> Iterator[tuple[str, str]]:
    """These texts of a cohort, by their hash (hex), each once, in the order of the shards."""
    cut = cut_name(len(manifest.shards))
    for entry in manifest.shards:
        notes = layout.notes(manifest.cohort, cut, entry.name)
        last = ""
        for note in read_notes(notes, manifest.id_columns, with_text=True):
            text_sha256 = note.text_sha256.hex()
            if text_sha256 != last and text_sha256 in wanted and note.text is not None:
                last = text_sha256
                yield text_sha256, note.text


def finished(layout: Layout, cohort: str, run: Run, cut: str) -> Finished:
    """A run's answers over a cohort, in this cut. Raises NotemillError until all are there."""
    manifest = read_manifest(layout.manifest(cohort, cut), of=cohort)
    columns = answer_columns(run.task, run.experiment.answer_prefix, manifest.id_columns)
    shards = [
        layout.answers(cohort, run.experiment_id, cut, entry.name) for entry in manifest.shards
    ]
    if missing := [path for path in shards if not path.exists()]:
        raise NotemillError(
            f"{len(missing)} of {len(shards)} shards of {run.experiment_id} are not answered yet",
            where=str(missing[0]),
            remedy="run snakemake with your profile to its end first",
        )
    return Finished(
        layout, cohort, run, manifest, {column.field: column for column in columns}, shards
    )

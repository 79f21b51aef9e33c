"""What a load is given, and whether its shards belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from notemill.answers.grades import graded_by
from notemill.answers.shard import REMEDY, ShardOrigin, read_origin
from notemill.errors import NotemillError
from notemill.notes.manifest import Manifest, read_manifest
from notemill.tasks.run import Run


@dataclass(frozen=True)
class Load:
    """What is loaded: one experiment's result shards over one cohort.

    shards: result shards in the manifest's order.
    """

    run: Run
    experiments_table: str
    manifest: Manifest
    shards: list[Path]


def load_of(
    run: Run, experiments_table: str, cohort: str, manifest: Path, shards: list[Path]
) -> Load:
    """The load of a run over a cohort. Raises NotemillError if the manifest is of another one."""
    return Load(run, experiments_table, read_manifest(manifest, of=cohort), shards)


def checked_origins(work: Load) -> list[ShardOrigin]:
    """Origins of all shards, after making sure that they are of this experiment and cohort."""
    origins = []
    for path, entry in zip(work.shards, work.manifest.shards, strict=True):
        origin = read_origin(path)
        found = (origin.experiment, origin.cohort, origin.shard)
        if found != (work.run.experiment_id, work.manifest.cohort, entry.name):
            raise NotemillError(
                f"this result shard is of {origin.experiment}, cohort '{origin.cohort}', shard "
                f"{origin.shard}",
                where=str(path),
                remedy="it was moved here; delete it and run again",
            )
        if origin.notes_digest != entry.digest:
            raise NotemillError(
                "this result shard answers other notes than the cohort holds",
                where=str(path),
                remedy=REMEDY,
            )
        wanted = graded_by(work.run.task)
        if wanted and origin.evidence != wanted:
            raise NotemillError(
                f"this result shard has other evidence: {origin.evidence or 'none'}, and the task "
                f"names: {wanted}",
                where=str(path),
                remedy="run snakemake once with `--forcerun answer` added: shards are written "
                "again, and nothing is asked for it",
            )
        origins.append(origin)
    digests = {origin.model_digest for origin in origins}
    if len(digests) > 1:
        raise NotemillError(
            f"the shards were answered by {len(digests)} different models: "
            f"{', '.join(sorted(digest[:12] for digest in digests))}",
            where=str(work.shards[0].parent),
            remedy="delete the shards of the model that you do not want and run again",
        )
    return origins

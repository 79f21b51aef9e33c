"""What a load is given, and whether its shards belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from notemill.answer_shard import REMEDY, ShardOrigin, read_origin
from notemill.config import Config, Experiment
from notemill.errors import NotemillError
from notemill.notes.manifest import Manifest, read_manifest
from notemill.plan import run_of
from notemill.tasks import Task


@dataclass(frozen=True)
class Load:
    """What is loaded: one experiment's result shards over one cohort.

    experiment_id: NAME-FINGERPRINT; shards: result shards in the manifest's order.
    """

    experiment_name: str
    experiment_id: str
    experiment: Experiment
    experiments_table: str
    task: Task
    manifest: Manifest
    shards: list[Path]


def load_of(
    config: Config, cohort: str, experiment_id: str, manifest: Path, shards: list[Path]
) -> Load:
    """What the configuration says about loading this experiment over the cohort."""
    run = run_of(config, experiment_id)
    return Load(
        experiment_name=run.name,
        experiment_id=run.experiment_id,
        experiment=run.experiment,
        experiments_table=config.experiments_table,
        task=run.task,
        manifest=read_manifest(manifest, of=cohort),
        shards=shards,
    )


def checked_origins(work: Load) -> list[ShardOrigin]:
    """Origins of all shards, after making sure that they are of this experiment and cohort."""
    origins = []
    for path, entry in zip(work.shards, work.manifest.shards, strict=True):
        origin = read_origin(path)
        found = (origin.experiment, origin.cohort, origin.shard)
        if found != (work.experiment_id, work.manifest.cohort, entry.name):
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

"""What an engine needs on disk: its model store or weights, the image of its command, its key."""

from __future__ import annotations

from pathlib import Path

from notemill.check.endpoints import endpoints_there
from notemill.check.finding import Findings, size
from notemill.config import Config, Engine, OllamaEngine
from notemill.engines.ollama.store import find_model, stored_models
from notemill.engines.record import read_record
from notemill.errors import NotemillError
from notemill.files import refuse_open
from notemill.paths import Layout
from notemill.tasks.run import Run

_IMAGES = (".sif", ".simg", ".sqsh")


def engine_files(config: Config, run: Run, found: Findings) -> None:
    """Whether the rule `model`, which runs here, will find a run's model, the one it must be."""
    engine, where = run.engine, f"engines.{run.experiment.engine}"
    missing_image(engine, where, found)
    if engine.api_key_file:
        _key_file(engine.api_key_file, found)
    if not engine.computes_here:
        endpoints_there(engine, run.experiment.model, where, found)
    try:
        if isinstance(engine, OllamaEngine):
            if not engine.models:
                return
            _stored(config, run, engine, found)
        elif engine.weights:
            weights(engine.weights, where, found)
    except NotemillError as error:
        found.refused(error)


def weights(path: Path, where: str, found: Findings) -> None:
    """A model that is one file."""
    if path.is_file():
        found.ok(f"weights {path}: {size(path.stat().st_size)}")
    else:
        found.refuse(
            "the model's weights are not there",
            where=f"{path} ({where}.weights)",
            remedy="correct the path to the model's GGUF file; compute nodes must see it too",
        )


def missing_image(engine: Engine, where: str, found: Findings) -> None:
    """Refuse a container image of the engine's command that is not there."""
    for word in getattr(engine, "command", None) or []:
        if word.startswith("/") and word.endswith(_IMAGES) and not Path(word).exists():
            found.refuse(
                "the image in the engine's command is not there",
                where=f"{word} ({where}.command)",
                remedy="correct the path; compute nodes must see it too",
            )


def _stored(config: Config, run: Run, engine: OllamaEngine, found: Findings) -> None:
    model, where = run.experiment.model, f"{engine.store} (engines.{run.experiment.engine}.models)"
    if engine.pull and not engine.store.is_dir():
        found.ok(f"model {model} will be pulled into {engine.store}, which is not there yet")
        return
    stored = find_model(engine.store, model)
    if stored is None and engine.pull:
        found.ok(f"model {model} will be pulled into {engine.store}")
    elif stored is None:
        found.refuse(
            f"the model store does not have {model}; it holds: "
            f"{', '.join(stored_models(engine.store)) or 'none'}",
            where=where,
            remedy="correct experiments.*.model, pull it yourself (ollama pull), or set the "
            "engine's `pull: true`",
        )
    elif run.experiment.digest and run.experiment.digest != stored.digest:
        found.refuse(
            f"the digest pinned for {model} is {run.experiment.digest}, the store has "
            f"{stored.digest}",
            where=f"experiments.{run.name}.digest",
            remedy="pin the store's, or put the former model back",
        )
    elif (record := _recorded(config, run)) not in (None, stored.digest):
        found.refuse(
            f"the store's {model} has the digest {stored.digest}, its record says {record}",
            where=where,
            remedy=f"put the former model back; or, to ask this one beside the old answers, pin "
            f"`digest: {stored.digest}` in the experiment and delete the record in "
            f"{config.results / 'models'}",
        )
    else:
        found.ok(f"model {model} is in {engine.store}, digest {stored.digest[:12]}")


def _recorded(config: Config, run: Run) -> str | None:
    path = Layout(config.results).model(run.model_id)
    return read_record(path).digest if path.exists() else None


def _key_file(path: Path, found: Findings) -> None:
    try:
        refuse_open(path, "the file with the engine's key")
    except NotemillError as error:
        found.refused(error)
    except OSError as error:
        found.refuse(
            f"the file with the engine's key can't be read: {error.strerror}",
            where=f"{path} (engines.*.api_key_file)",
            remedy="write the key alone into it, then `chmod 600` it",
        )

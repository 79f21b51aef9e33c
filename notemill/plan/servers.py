"""What servers that live on are to serve: a model and a context, for experiments that ask it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from notemill.answers.experiment_record import refuse_wrong_model
from notemill.answers.slots import measured_slots
from notemill.config import Config
from notemill.config import Engine as EngineConfig
from notemill.endpoints.recording import recorded_model
from notemill.engines.gpu import gpu_here
from notemill.engines.kinds import record_model
from notemill.engines.protocol import Start
from notemill.engines.record import ModelRecord, read_record
from notemill.errors import NotemillError
from notemill.files import private_folder
from notemill.logs import log
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from notemill.tasks.run import Run

_WITHOUT_A_MEASURE = 4


@dataclass(frozen=True)
class Served:
    """What one server answers for: experiments of an engine with the same model and context.

    engine: as it is started, without its endpoints.
    """

    name: str
    engine: EngineConfig
    runs: tuple[Run, ...]

    @property
    def model(self) -> str:
        return self.runs[0].experiment.model

    @property
    def context(self) -> int:
        """Tokens of each slot."""
        return self.runs[0].experiment.options.num_ctx

    @property
    def told(self) -> str:
        names = ", ".join(run.name for run in self.runs)
        return f"{self.model} with {self.context} tokens a slot, for {names}"

    def folder(self, other: Path | None = None) -> Path:
        """Where its servers publish themselves. other: in the place of the configuration's."""
        folder = other or self.runs[0].engine.endpoints
        if isinstance(folder, Path):
            return folder
        raise NotemillError(
            f"engines.{self.name} does not say where its servers publish themselves",
            where=f"engines.{self.name}.endpoints",
            remedy="name a folder that the nodes share: `endpoints: endpoints/NAME`; or --folder",
        )


def served(
    config: Config, engine: str, *, experiment: str | None = None, model: str | None = None
) -> Served:
    """What a server of this engine answers for: of several models, or contexts, the one named.

    Raises NotemillError where it is none, or not one alone.
    """
    if engine not in config.engines:
        raise NotemillError(
            f"'{engine}' is not one of `engines` ({', '.join(config.engines)})",
            where="notemill serve ENGINE",
            remedy="name one of them",
        )
    runs = [run for run in plan_runs(config) if run.experiment.engine == engine]
    named = [run for run in runs if experiment is None or run.name == experiment]
    named = [run for run in named if model is None or run.experiment.model == model]
    if not named:
        asks = ", ".join(f"{run.name} ({run.experiment.model})" for run in runs) or "none"
        raise NotemillError(
            f"no such experiment asks the engine '{engine}'; those that do: {asks}",
            where="--experiment, --model; experiments.*.engine",
            remedy="name one of them, or let an experiment ask this engine",
        )
    choices = together(config, runs)
    chosen = [each for each in choices if any(run in each.runs for run in named)]
    if len(chosen) > 1:
        raise NotemillError(
            f"experiments of the engine '{engine}' need servers of their own: "
            + "; ".join(each.told for each in chosen),
            where=f"engines.{engine}",
            remedy="start a server for each, by --experiment NAME or --model MODEL",
        )
    return chosen[0]


def together(config: Config, runs: Sequence[Run]) -> list[Served]:
    """The runs by engine, model and context, in the order of the experiments."""
    groups: dict[tuple[str, str, int], list[Run]] = {}
    for run in runs:
        experiment = run.experiment
        key = experiment.engine, experiment.model, experiment.options.num_ctx
        groups.setdefault(key, []).append(run)
    return [
        Served(name, _started(name, config.engines[name]), tuple(group))
        for (name, _, _), group in groups.items()
    ]


def _started(name: str, engine: EngineConfig) -> EngineConfig:
    """The engine as a server of its own starts it."""
    return engine.model_copy(update={"endpoints": None, "api_key_file": None})


def refuse_without_start(asked: Served) -> None:
    """Raise NotemillError where the engine's section does not say how it is started."""
    needs = {"ollama": "models", "openai": "command", "llamacpp": "weights"}[asked.engine.kind]
    if getattr(asked.engine, needs, None):
        return
    raise NotemillError(
        f"engines.{asked.name} does not say how its servers are started",
        where=f"engines.{asked.name}.{needs}",
        remedy=f"write `{needs}` beside `endpoints`: `notemill serve` starts with it, answer jobs "
        "use the endpoints",
    )


def starts_of(
    asked: Served, layout: Layout, log_file: Path, threads: int, slots: int | None
) -> list[Start]:
    """How each of the engine's `servers` is started. slots: in the place of the configuration's.

    Raises NotemillError for a model that is not there, or not the one that it must be.
    """
    private_folder(log_file.parent)
    engine = asked.engine
    record = _record(asked, layout, lambda: record_model(engine, asked.model, log_file))
    start = _start(asked, record, log_file, threads, slots or _slots(asked, layout))
    return [replace(start, servers=engine.servers, server=n) for n in range(engine.servers)]


def proof_of(asked: Served, layout: Layout, log_file: Path) -> Start:
    """What a server that lives on is held to, from the client's side. Raises as `starts_of`."""
    engine = asked.runs[0].engine
    record = _record(asked, layout, lambda: recorded_model(engine, asked.model, log_file))
    return _start(asked, record, log_file, 1, 1)


def _start(asked: Served, record: ModelRecord, log_file: Path, threads: int, slots: int) -> Start:
    first, *others = asked.runs
    beside = {run.task.name: run.task for run in others if run.task.name != first.task.name}
    options = first.experiment.options
    tasks = tuple(beside.values())
    return Start(first.task, options, record, log_file, threads, slots, beside=tasks)


def _record(asked: Served, layout: Layout, record: Callable[[], ModelRecord]) -> ModelRecord:
    """The model as it is recorded, or as the rule `model` would record it."""
    path = layout.model(asked.runs[0].model_id)
    found = read_record(path) if path.exists() else record()
    for run in asked.runs:
        refuse_wrong_model(layout, run, found)
    return found


def _slots(asked: Served, layout: Layout) -> int:
    """As configured; for auto as measured on this kind of GPU for any of its experiments."""
    engine = asked.engine
    if engine.slots != "auto":
        return engine.slots
    gpu = gpu_here(engine).name
    for run in asked.runs:
        for cohort in run.cohorts:
            if best := measured_slots(layout, cohort, run.experiment_id, gpu, asked.context):
                log.info("slots %d, as measured on %s for %s", best, gpu, run.name)
                return best
    log.warning(
        "no one has measured how many slots are best on %s: %d are taken, which may be far too "
        "few. `slots` of the engine, or --slots, says it; `notemill bench-server` shows what "
        "they bring (docs/pools.md)",
        gpu,
        _WITHOUT_A_MEASURE,
    )
    return _WITHOUT_A_MEASURE

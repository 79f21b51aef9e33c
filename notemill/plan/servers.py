"""What servers that live on are to serve: a model and a context, for experiments that ask it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from notemill.config import Config
from notemill.config import Engine as EngineConfig
from notemill.errors import NotemillError
from notemill.plan.runs import plan_runs
from notemill.tasks.run import Run


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
    def published_in(self) -> Path | tuple[str, ...] | None:
        """As the configuration has it: the folder of its servers, or addresses of others."""
        return self.runs[0].engine.endpoints

    @property
    def context(self) -> int:
        """Tokens of each slot."""
        return self.runs[0].experiment.options.num_ctx

    @property
    def id(self) -> str:
        """A file name for it."""
        return f"{self.runs[0].model_id}-{self.context}"

    @property
    def told(self) -> str:
        names = ", ".join(run.name for run in self.runs)
        return f"{self.model} with {self.context} tokens a slot, for {names}"

    def folder(self, other: Path | None = None) -> Path:
        """Where its servers publish themselves. other: in the place of the configuration's."""
        folder = other or self.published_in
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


def planned_server(config: Config, runs: Sequence[Run], planned: str) -> Served:
    """What the server of a planned job serves. Raises NotemillError when that has changed."""
    for each in together(config, runs):
        if each.id == planned:
            return each
    raise NotemillError(
        f"a server for {planned} was planned, and no experiment asks for it by now",
        where="experiments and engines of the configuration",
        remedy="ask for the servers again: `snakemake servers` with your profile",
    )


def startable(config: Config, runs: Sequence[Run]) -> list[Served]:
    """Those with a folder of endpoints; raises NotemillError for one that can't be started, and
    where there is none."""
    chosen = [each for each in together(config, runs) if isinstance(each.published_in, Path)]
    for each in chosen:
        refuse_without_start(each)
    if chosen:
        return chosen
    raise NotemillError(
        "no engine that an experiment asks has a folder of endpoints",
        where="engines.*.endpoints",
        remedy="name one in the engine: `endpoints: endpoints/NAME`; docs/pools.md tells more",
    )


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

"""Whether an engine would start on this node: its program, container and model; no server runs."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path

from notemill.check.endpoints import prove_endpoints
from notemill.check.engine_files import missing_image, weights
from notemill.check.finding import Findings
from notemill.config import Config, Engine, Experiment, OllamaEngine, OpenAiEngine
from notemill.engines.llamacpp import server as llamacpp
from notemill.engines.ollama.store import find_model, stored_models
from notemill.engines.ollama.versions import check_version
from notemill.engines.openai.server import models_at
from notemill.engines.process import (
    filled,
    last_words,
    private_home,
    server_environment,
    with_setup,
)
from notemill.plan.runs import plan_runs

_CONTAINERS = ("singularity", "apptainer", "podman", "docker", "nerdctl", "enroot", "udocker")
_START_S = 100
"""For a program to say its version, out of an image on a slow disk too."""
_NOBODY = {"OLLAMA_HOST": "127.0.0.1:1"}
"""Where no server is, so that the client tells its own version."""


def engine_probes(config: Config, found: Findings) -> Iterator[Callable[[], None]]:
    """A probe for each engine that an experiment uses, and one for each of its models."""
    users: dict[str, list[Experiment]] = {}
    for experiment in config.experiments.values():
        users.setdefault(experiment.engine, []).append(experiment)
    for name, experiments in users.items():
        engine, where = config.engines[name], f"engines.{name}"
        if not engine.computes_here:
            yield partial(_endpoints, config, name, found)
            continue
        yield partial(missing_image, engine, where, found)
        if isinstance(engine, OpenAiEngine) and engine.address:
            yield partial(_address, engine, experiments, where, found)
            continue
        yield partial(_starts, engine, where, found)
        if isinstance(engine, OllamaEngine):
            for model in dict.fromkeys(each.model for each in experiments):
                yield partial(_stored, engine, model, where, found)
        elif engine.weights:
            yield partial(weights, engine.weights, where, found)


def _endpoints(config: Config, name: str, found: Findings) -> None:
    for run in plan_runs(config):
        if run.experiment.engine == name:
            prove_endpoints(config, run, found)


def _starts(engine: Engine, where: str, found: Findings) -> None:
    if not isinstance(engine, OllamaEngine | OpenAiEngine):
        _said(engine, [sys.executable, "-P", str(llamacpp.PROGRAM), "--help"], where, found)
        wheel = metadata.version("xllamacpp")
        found.ok(f"{where}: the embedded llama.cpp starts (xllamacpp {wheel})")
        return
    command = engine.command or []
    first = command[0]
    container = Path(first).name in _CONTAINERS
    if container and (said := _said(engine, [first, "--version"], where, found)):
        found.ok(f"{where}: {said.splitlines()[0]}")
    if isinstance(engine, OpenAiEngine):
        looked = ["sh", "-c", 'command -v "$0"', first.replace("{python}", sys.executable)]
        if said := _said(engine, looked, where, found):
            found.ok(f"{where}: its command is {said.splitlines()[-1]}")
        return
    said = _said(engine, [*command, "--version"], where, found)
    if said is None:
        return
    version = re.search(r"version is (\S+)", said)
    if version is None:
        found.warn(
            f"{where}: the command starts and tells no version of Ollama",
            where=f"{where}.command",
            remedy="is it Ollama? `serve` and `--version` are appended to the command",
        )
        return
    check_version(version[1])
    found.ok(f"{where}: Ollama {version[1]} starts")


def _said(engine: Engine, command: list[str], where: str, found: Findings) -> str | None:
    """What the command says, run as the engine is; None when it fails, which is refused."""
    with private_home() as home:
        environment = server_environment(home, _NOBODY, engine.environment)
        words = {"models": getattr(engine, "models", ""), "home": home, "python": sys.executable}
        command = filled(command, words)
        try:
            done = subprocess.run(
                with_setup(engine.setup, command, environment),
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_START_S,
            )
            problem = last_words(done.stderr or done.stdout) if done.returncode else ""
        except subprocess.TimeoutExpired:
            problem = f"no end within {_START_S} s"
        except OSError as error:
            problem = str(error.strerror)
    if not problem:
        return (done.stdout + done.stderr).strip()
    found.refuse(
        f"{where}: `{' '.join(command)}` can't be run: {problem}",
        where=f"{where}.setup, {where}.command",
        remedy="run both by hand on such a node. Is the program there, the module loaded, the "
        "image readable?",
    )
    return None


def _stored(engine: OllamaEngine, model: str, where: str, found: Findings) -> None:
    stored = find_model(engine.store, model)
    if stored is None or not stored.weights.is_file():
        if engine.pull:
            found.ok(f"model {model} is not in {engine.store} yet and will be pulled")
            return
        found.refuse(
            f"the node does not see {model} in the model store; it sees: "
            f"{', '.join(stored_models(engine.store)) or 'none'}",
            where=f"{engine.store} ({where}.models)",
            remedy="name a folder on a file system that login and compute nodes share",
        )
        return
    found.ok(f"model {model} is seen in {engine.store}, digest {stored.digest[:12]}")


def _address(
    engine: OpenAiEngine, experiments: list[Experiment], where: str, found: Findings
) -> None:
    models = asyncio.run(models_at(engine, experiments[0].options))
    for experiment in experiments:
        if experiment.model in models:
            found.ok(f"{where}: {engine.address} answers there and has {experiment.model}")
        else:
            found.refuse(
                f"{where}: {engine.address} does not have {experiment.model}; it has: "
                f"{', '.join(models)}",
                where="experiments.*.model",
                remedy="use one of these names",
            )

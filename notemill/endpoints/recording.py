"""Records a model, also where endpoints alone have it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from notemill.clock import now
from notemill.config import Engine, OllamaEngine, Options
from notemill.endpoints.known import Known, endpoints_of
from notemill.engines.kinds import record_model
from notemill.engines.ollama.server import client_at
from notemill.engines.protocol import EngineGone
from notemill.engines.record import ModelRecord
from notemill.errors import EngineRefused, NotemillError
from notemill.logs import log


def recorded_model(engine: Engine, name: str, server_log: Path) -> ModelRecord:
    """What the model is: from its store or weights where they are named, else from the endpoints.

    Raises NotemillError when it is not there, or endpoints that have it differ.
    """
    here = engine.models if isinstance(engine, OllamaEngine) else engine.weights
    if engine.computes_here or here:
        return record_model(engine, name, server_log)
    return _of_endpoints(engine, name)


def _of_endpoints(engine: Engine, name: str) -> ModelRecord:
    seen = endpoints_of(engine, name)
    digests = {known.name: known.digest for known in seen.known if known.digest}
    problems = dict(seen.passed_over)
    if isinstance(engine, OllamaEngine) and not isinstance(engine.endpoints, Path):
        digests = asyncio.run(_asked(engine, name, seen.known, problems))
    told = "; ".join(f"{each}: {why}" for each, why in problems.items())
    if len(set(digests.values())) > 1:
        listed = ", ".join(f"{each} has {digest}" for each, digest in digests.items())
        raise EngineRefused(
            f"the endpoints have different models of the name '{name}': {listed}",
            where="engines.*.endpoints",
            remedy="give all of them one and the same; or name the model's files in the engine "
            "(`models`, `weights`), which says which one is meant",
        )
    knows = isinstance(engine, OllamaEngine) or isinstance(engine.endpoints, Path)
    if knows and not digests:
        raise NotemillError(
            f"no endpoint has the model '{name}', so nothing says which one it is"
            + (f" ({told})" if told else ""),
            where="engines.*.endpoints",
            remedy="start the servers first; or name the model's files in the engine (`models`, "
            "`weights`): then it is recorded without them",
        )
    if told:
        log.warning("of the endpoints some were not asked: %s", told)
    return ModelRecord(
        engine=engine.kind,
        model=name,
        digest=next(iter(digests.values()), ""),
        # A model that is one file is known by that file's bytes.
        weights_sha256="" if isinstance(engine, OllamaEngine) else next(iter(digests.values()), ""),
        recorded_at=now(),
    )


async def _asked(
    engine: OllamaEngine, name: str, known: list[Known], problems: dict[str, str]
) -> dict[str, str]:
    """The model's digest at each address that tells one. problems: why others do not."""

    async def digest(one: Known) -> str:
        client = client_at(engine, name, Options(), one.at)
        try:
            return await client.digest() or ""
        finally:
            await client.close()

    replies = await asyncio.gather(*map(digest, known), return_exceptions=True)
    digests = {}
    for one, reply in zip(known, replies, strict=True):
        if isinstance(reply, NotemillError):
            problems[one.name] = reply.what
        elif isinstance(reply, EngineGone):
            problems[one.name] = f"it does not answer ({reply})"
        elif isinstance(reply, BaseException):
            raise reply
        elif not reply:
            problems[one.name] = f"it does not have the model '{name}'"
        else:
            digests[one.name] = reply
    return digests

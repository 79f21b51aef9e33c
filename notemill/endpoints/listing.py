"""The servers of a folder as they stand, and whether each can be asked from here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from notemill.config import Engine as EngineConfig
from notemill.endpoints.known import Known
from notemill.endpoints.proven import proven_at
from notemill.endpoints.publication import Endpoint, Published, published
from notemill.endpoints.standing import Standing
from notemill.endpoints.watch import Watch
from notemill.engines.protocol import At, EngineGone, RequestFailed, Start
from notemill.errors import NotemillError


@dataclass(frozen=True)
class Listed:
    """A server that a folder tells of. standing: None where it does not answer; problem: why it is
    not asked, empty if it is."""

    name: str
    endpoint: Endpoint | None
    standing: Standing | None = None
    problem: str = ""


@dataclass(frozen=True)
class Tested:
    """What an endpoint showed. program: its engine's name and version; problem: what it did not
    show, with where and what to do, empty if it showed all."""

    name: str
    seconds: float
    program: str = ""
    problem: str = ""


def listed(folder: Path) -> list[Listed]:
    """All of a folder, in the order of the names. Raises as `published` does."""
    found = published(folder)
    servers = asyncio.run(_standing(found.endpoints))
    servers += [Listed(each.name, each.endpoint, problem=each.reason) for each in found.passed_over]
    return sorted(servers, key=lambda each: each.name)


async def _standing(endpoints: Sequence[Published]) -> list[Listed]:
    async def one(each: Published) -> Listed:
        told = each.endpoint
        watch = Watch(At(each.name, told.address, each.token, told.certificate, ours=True))
        try:
            standing = await watch.standing()
        except EngineGone as error:
            return Listed(each.name, told, problem=f"this node does not reach it ({error})")
        finally:
            await watch.close()
        problem = (
            "" if standing else "what answers there is no notemill server, or has another token"
        )
        return Listed(each.name, told, standing, problem)

    return list(await asyncio.gather(*map(one, endpoints)))


def tested(engine: EngineConfig, known: Sequence[Known], start: Start) -> list[Tested]:
    """Each proven from here, as an answer job would, one after the other."""

    async def all_of_them() -> list[Tested]:
        return [await _tested(engine, each, start) for each in known]

    return asyncio.run(all_of_them())


async def _tested(engine: EngineConfig, known: Known, start: Start) -> Tested:
    began = time.monotonic()
    program, problem = "", ""
    try:
        async with proven_at(engine, start, known) as ready:
            program = ready.description
    except NotemillError as error:
        problem = str(error)
    except EngineGone as error:
        problem = f"it does not answer ({error})"
    except RequestFailed as error:
        problem = f"it failed ({error})"
    return Tested(known.name, time.monotonic() - began, program, problem)

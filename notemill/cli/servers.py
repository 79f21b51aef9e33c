"""`notemill servers`: the servers that live on, and whether they can be asked from here."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from notemill.cli.given import Command, Given
from notemill.config import Config
from notemill.endpoints.known import endpoints_of
from notemill.endpoints.listing import Listed, listed, tested
from notemill.endpoints.publication import NoFolder
from notemill.errors import NotemillError
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from notemill.plan.servers import together
from notemill.plan.started import proof_of

_HEAD = ("server", "host", "job", "GPU", "model", "in use", "notes/s", "answered", "until")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("engine", nargs="?", help="one of `engines`; by default all with endpoints")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--test", action="store_true", help="prove each from here, as an answer job would"
    )
    how.add_argument("--json", action="store_true", help="as JSON")


def _servers(given: Given) -> int:
    options, config = given.arguments, given.config
    engines = _with_endpoints(config, options.engine)
    if options.test:
        return _test(config, engines)
    found = {name: _of(folder) for name in engines if (folder := _folder(config, name))}
    if options.json:
        print(json.dumps({name: list(map(_told, each)) for name, each in found.items()}, indent=2))
        return 0
    for name in engines:
        folder = _folder(config, name)
        print(f"{name}: {folder or 'a list of addresses, of which --test tells'}")
        for line in _lines(found.get(name, [])) if folder else ():
            print(f"  {line}")
    return 0


def _with_endpoints(config: Config, name: str | None) -> list[str]:
    have = [each for each, engine in config.engines.items() if engine.endpoints is not None]
    if name is None and have:
        return have
    if name in have:
        return [name]
    raise NotemillError(
        f"engines.{name} has no `endpoints`" if name else "no engine has `endpoints`",
        where="engines.*.endpoints",
        remedy="name the folder in which servers publish themselves, or a list of addresses "
        f"(docs/pools.md); engines that have them: {', '.join(have) or 'none'}",
    )


def _folder(config: Config, name: str) -> Path | None:
    endpoints = config.engines[name].endpoints
    return endpoints if isinstance(endpoints, Path) else None


def _of(folder: Path) -> list[Listed]:
    try:
        return listed(folder)
    except NoFolder:
        return []


def _lines(servers: Sequence[Listed]) -> Iterable[str]:
    if not servers:
        yield "no server has published itself; `notemill serve ENGINE` starts one"
        return
    rows = [_HEAD, *(_row(each) for each in servers if not each.problem)]
    if len(rows) > 1:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
            yield "  ".join(cells).rstrip()
    for each in servers:
        if each.problem:
            where = f" ({each.endpoint.job} on {each.endpoint.node})" if each.endpoint else ""
            yield f"passed over: {each.name}{where}: {each.problem}"


def _row(each: Listed) -> tuple[str, ...]:
    told, standing = each.endpoint, each.standing
    assert told and standing
    state = "" if standing.state == "ready" else f" {standing.state}"
    return (
        each.name,
        told.node,
        told.job,
        ",".join(told.gpus) or "-",
        told.model,
        f"{standing.in_flight}/{told.slots}{state}",
        f"{standing.per_second:.1f}",
        str(standing.answered),
        _until(told.expires),
    )


def _until(expires: datetime) -> str:
    left = (expires - datetime.now(UTC)).total_seconds()
    return f"{left:.0f} s" if left >= 0 else "renewal is late"


def _told(each: Listed) -> dict[str, Any]:
    return {
        "name": each.name,
        "endpoint": each.endpoint.model_dump(mode="json") if each.endpoint else None,
        "standing": each.standing.model_dump(mode="json") if each.standing else None,
        "problem": each.problem,
    }


def _test(config: Config, engines: Sequence[str]) -> int:
    """Prove each; the status is 1 when one is not as it must be, or there is none."""
    layout = Layout(config.results)
    good = bad = 0
    for asked in together(config, plan_runs(config)):
        if asked.name not in engines:
            continue
        print(f"{asked.name}: {asked.told}")
        engine = asked.runs[0].engine
        seen = endpoints_of(engine, asked.model)
        for name, why in seen.passed_over.items():
            print(f"  {name}: passed over: {why}")
        if not seen.known:
            print("  no endpoint to ask")
            bad += 1
            continue
        start = proof_of(asked, layout, layout.log("servers", asked.name))
        for known in seen.known:
            if known.draining:
                print(f"  {known.name}: draining, it takes nothing new")
        for one in tested(engine, [each for each in seen.known if not each.draining], start):
            bad, good = (bad + 1, good) if one.problem else (bad, good + 1)
            told = one.problem.replace("\n", "\n  ") or f"proven in {one.seconds:.1f} s"
            print(f"  {one.name}: {told}{f', {one.program}' if one.program else ''}")
    print(f"{good} proven, {bad} not")
    return 1 if bad else 0


COMMAND = Command(_servers, _arguments)

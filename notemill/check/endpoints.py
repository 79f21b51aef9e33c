"""Endpoints that an engine names: whether they can be looked for, and each proven from here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from notemill.check.finding import Findings
from notemill.config import Config, Engine
from notemill.endpoints.known import Seen, endpoints_of
from notemill.endpoints.listing import tested
from notemill.endpoints.recording import recorded_model
from notemill.engines.protocol import Start
from notemill.engines.record import ModelRecord, read_record
from notemill.errors import NotemillError
from notemill.paths import Layout
from notemill.tasks.run import Run


def endpoints_there(engine: Engine, model: str, where: str, found: Findings) -> Seen | None:
    """What the engine names, by files alone; None, with a finding, where one can't look."""
    try:
        seen = endpoints_of(engine, model)
    except NotemillError as error:
        found.refused(error)
        return None
    for name, why in seen.passed_over.items():
        found.warn(
            f"{where}: endpoint {name} is passed over: {why}",
            where=f"{where}.endpoints",
            remedy="if its server is gone there is nothing to do; else start it anew",
        )
    if seen.known:
        listed = [f"{known.name} ({known.where})" for known in seen.known]
        found.ok(f"{where}: {len(seen.known)} endpoints for {model}", listed)
    else:
        found.warn(
            f"{where}: no endpoint for {model} is there now; answer jobs wait for one for "
            f"{engine.no_endpoint_minutes:g} minutes",
            where=f"{where}.endpoints",
            remedy="start a server: `notemill serve ENGINE`, or the target `servers`",
        )
    return seen


def prove_endpoints(config: Config, run: Run, found: Findings) -> None:
    """Each endpoint of a run's engine shown to be what it must be, from this computer."""
    engine, where = run.engine, f"engines.{run.experiment.engine}"
    seen = endpoints_there(engine, run.experiment.model, where, found)
    if seen is None or not seen.known:
        return
    try:
        start = Start(
            run.task,
            run.experiment.options,
            _record(config, run),
            Path(os.devnull),
            threads=1,
            slots=1,
        )
    except NotemillError as error:
        found.refused(error)
        return
    tests = tested(engine, [known for known in seen.known if not known.draining], start)
    bad = [each for each in tests if each.problem]
    for each in tests:
        if not each.problem:
            found.ok(
                f"{where}: endpoint {each.name} is proven for {run.name} in {each.seconds:.1f} s: "
                f"{each.program}"
            )
    for each in bad:
        tell = found.refuse if len(bad) == len(tests) else found.warn
        what, *beneath = each.problem.splitlines()
        tell(
            f"{where}: endpoint {each.name} is not asked for {run.name}: {what}",
            where="; ".join(_lines(beneath)) or f"{where}.endpoints",
            remedy="mend or end it; jobs go on with the others, and fail where none is left",
        )


def proven_endpoints(config: Config, runs: Sequence[Run]) -> Findings:
    """The endpoints of all runs, each proven from here."""
    found = Findings("endpoints")
    asking = [run for run in runs if not run.engine.computes_here]
    for run in asking:
        prove_endpoints(config, run, found)
    if not asking:
        found.ok("no experiment asks endpoints")
    return found


def _lines(lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield line.strip()


def _record(config: Config, run: Run) -> ModelRecord:
    path = Layout(config.results).model(run.model_id)
    if path.exists():
        return read_record(path)
    return recorded_model(run.engine, run.experiment.model, Path(os.devnull))

"""`notemill bench-server`: how fast a server answers, by the number of requests in flight."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from notemill.answers.asking import Asking
from notemill.bench.measure import Asked, Level, bench
from notemill.bench.notes import made_up, of_shard
from notemill.bench.write import HEAD, row, write_bench
from notemill.cli.given import Command, Given
from notemill.config import Config
from notemill.endpoints.known import Known, endpoints_of
from notemill.endpoints.proven import proven_at
from notemill.engines.protocol import EngineGone, Start
from notemill.errors import NotemillError
from notemill.files import check_folder
from notemill.paths import Layout, cut_name
from notemill.plan.runs import plan_runs
from notemill.plan.servers import Served, together
from notemill.plan.started import proof_of
from notemill.tasks.run import Run

_MOST = 32
_TEXTS = 2000


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", help="whose question is asked; of several with endpoints one"
    )
    parser.add_argument("--endpoint", help="a server's name or address; of several one")
    parser.add_argument(
        "--in-flight",
        type=_levels,
        metavar="1,2,4",
        help=f"requests at once; by default 1, 2, 4 ... to twice the slots, or {_MOST}",
    )
    parser.add_argument("--seconds", type=_positive, default=30.0, help="of each; by default 30")
    parser.add_argument("--cohort", help="notes of its first shard; by default notes are made up")
    parser.add_argument("--shard", default="0000", help="of the cohort; by default 0000")
    parser.add_argument(
        "--characters", type=int, default=1500, help="of a made-up note, about; by default 1500"
    )
    parser.add_argument("--out", type=Path, help="folder; by default below results/bench")


def _positive(value: str) -> float:
    if not 0 < (number := float(value)) <= 86400:
        raise argparse.ArgumentTypeError("give seconds, up to 86400")
    return number


def _levels(value: str) -> list[int]:
    levels = sorted({int(each) for each in value.split(",")})
    if not levels or levels[0] < 1 or levels[-1] > 4096:
        raise argparse.ArgumentTypeError("give numbers from 1 to 4096: 1,2,4,8")
    return levels


def _bench(given: Given) -> int:
    options = given.arguments
    out = options.out.absolute() if options.out else None
    config = given.config
    layout = Layout(config.results)
    run, asked = _run(config, options.experiment)
    known = _endpoint(run, options.endpoint)
    out = (
        out
        or layout.results
        / "bench"
        / f"{known.name.rpartition('/')[2]}-{time.strftime('%Y%m%d-%H%M%S')}"
    )
    check_folder(out)
    texts = _texts(config, layout, options)
    start = proof_of(asked, layout, layout.log("servers", asked.name))
    levels = options.in_flight or _by_default(known.slots)
    done = asyncio.run(_asked(run, known, start, texts, levels, options.seconds))
    about = {
        "endpoint": known.name,
        "model": run.experiment.model,
        "engine": known.program,
        "slots": f"{known.slots} slots" if known.slots else "",
        "task": run.task.name,
        "notes": f"cohort {options.cohort}" if options.cohort else "made-up notes",
    }
    write_bench(out, done, options.seconds, about)
    print(f"written: {out}/notes.parquet, levels.csv, bench.svg")
    return 0


async def _asked(
    run: Run,
    known: Known,
    start: Start,
    texts: list[str],
    levels: list[int],
    seconds: float,
) -> list[Asked]:
    asking = Asking.of_run(run, start.record, lambda tokens: None)
    try:
        async with proven_at(run.engine, start, known) as engine:
            print(f"{known.name}: {engine.description}, {start.record.model}")
            print("".join(f"{each:>11}" for each in HEAD))
            return await bench(engine, asking, texts, levels, seconds, told=_print)
    except EngineGone as error:
        raise NotemillError(
            f"the server does not answer ({error})",
            where=known.at.address,
            remedy="`notemill servers` lists those that do",
        ) from error


def _print(level: Level) -> None:
    print("".join(f"{each:>11}" for each in row(level)), flush=True)


def _by_default(slots: int | None) -> list[int]:
    most = 2 * slots if slots else _MOST
    return [1 << power for power in range(most.bit_length()) if 1 << power <= most]


def _run(config: Config, experiment: str | None) -> tuple[Run, Served]:
    runs = [run for run in plan_runs(config) if run.engine.endpoints is not None]
    named = [run for run in runs if experiment in (None, run.name)]
    if len(named) != 1:
        raise NotemillError(
            "which experiment's question is to be asked?"
            if named
            else "no such experiment asks an engine with `endpoints`",
            where="notemill bench-server EXPERIMENT",
            remedy=f"name one of: {', '.join(run.name for run in runs) or 'none has any'}",
        )
    run = named[0]
    return run, next(each for each in together(config, [run]))


def _endpoint(run: Run, name: str | None) -> Known:
    """The one to measure. Raises NotemillError where it is not one."""
    seen = endpoints_of(run.engine, run.experiment.model)
    named = [each for each in seen.known if name in (None, each.name)]
    if len(named) == 1:
        return named[0]
    listed = ", ".join(each.name for each in seen.known) or "none"
    raise NotemillError(
        "which endpoint is to be measured?" if named else "there is no such endpoint to ask",
        where=f"--endpoint; those of engines.{run.experiment.engine}: {listed}"
        + (f"; passed over: {seen.told()}" if seen.passed_over else ""),
        remedy="name one of them" if seen.known else "start a server: `notemill serve ENGINE`",
    )


def _texts(config: Config, layout: Layout, options: argparse.Namespace) -> list[str]:
    if not options.cohort:
        return made_up(_TEXTS, options.characters)
    if options.cohort not in config.cohorts:
        raise NotemillError(
            f"there is no cohort '{options.cohort}'",
            where="--cohort",
            remedy=f"name one of: {', '.join(config.cohorts)}",
        )
    cut = cut_name(config.cohorts[options.cohort].shards)
    return of_shard(layout.notes(options.cohort, cut, options.shard), _TEXTS)


COMMAND = Command(_bench, _arguments)

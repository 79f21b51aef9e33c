"""`notemill serve`: a server that lives on, for answer jobs to find."""

from __future__ import annotations

import argparse
import os
import platform
from datetime import UTC, datetime, timedelta
from pathlib import Path

from notemill.cli.given import Command, Given
from notemill.database.password import leave_password_out
from notemill.endpoints.door import Door
from notemill.endpoints.life import Wishes, prepare, serve
from notemill.endpoints.limits import DRAIN, end_of_job
from notemill.endpoints.publication import read_token
from notemill.errors import NotemillError
from notemill.logs import job_log
from notemill.metrics import watching_servers
from notemill.paths import Layout
from notemill.plan.servers import refuse_without_start, served
from notemill.plan.started import starts_of


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("engine", help="one of `engines`")
    parser.add_argument("--experiment", help="whose model and context; by default all agree")
    parser.add_argument("--model", help="by default the one that its experiments ask")
    parser.add_argument("--slots", type=_at_least_one, help="in the place of the engine's `slots`")
    parser.add_argument(
        "--folder", type=Path, help="where it publishes itself, by default engines.*.endpoints"
    )
    parser.add_argument(
        "--host", help="how other nodes name this one, or 127.0.0.1; by default its host name"
    )
    parser.add_argument("--port", type=int, default=0, help="by default a free one")
    parser.add_argument("--certificate", type=Path, help="PEM, with its chain; else one is made")
    parser.add_argument("--key", type=Path, help="the certificate's key, PEM, mode 0600")
    parser.add_argument(
        "--token-file", type=Path, help="mode 0600, what clients must bring; else one is made"
    )
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--hours", type=float, help="end after so many; in a Slurm job by its limit")
    end.add_argument("--until", type=_time, metavar="TIME", help="end at 2026-12-01T08:00")
    parser.add_argument(
        "--drain",
        type=_minutes,
        metavar="MINUTES",
        default=DRAIN,
        help="take nothing new so long before its end, by default 2",
    )
    parser.add_argument(
        "--idle", type=float, metavar="MINUTES", help="end after so many without a request"
    )
    parser.add_argument("--threads", type=_at_least_one, help="CPU threads for the engine")


def _at_least_one(value: str) -> int:
    if (number := int(value)) < 1:
        raise argparse.ArgumentTypeError("give 1 or more")
    return number


def _minutes(value: str) -> timedelta:
    if not 0 < (minutes := float(value)) <= 24 * 60:
        raise argparse.ArgumentTypeError("give minutes, more than 0")
    return timedelta(minutes=minutes)


def _time(value: str) -> datetime:
    """Local time, unless it says otherwise."""
    return datetime.fromisoformat(value).astimezone(UTC)


def _serve(given: Given) -> int:
    options = given.arguments
    # Before --directory is gone into.
    folder, certificate, key, token_file = (
        each.absolute() if each else None
        for each in (options.folder, options.certificate, options.key, options.token_file)
    )
    if bool(certificate) != bool(key):
        raise NotemillError(
            "a certificate needs its key, and a key its certificate",
            where="--certificate, --key",
            remedy="give both, or none: then one is made",
        )
    token = read_token(token_file) if token_file else ""
    leave_password_out()
    config = given.config
    asked = served(config, options.engine, experiment=options.experiment, model=options.model)
    refuse_without_start(asked)
    place = asked.folder(folder)
    until = _end(options.hours, options.until, options.drain)
    prepare(place)
    layout = Layout(config.results)
    name = f"{platform.node()}-{os.environ.get('SLURM_JOB_ID') or os.getpid()}"
    with job_log(layout.log("serve", options.engine, name), by_hand=True) as log:
        log.info("%s serves %s", options.engine, asked.told)
        threads = options.threads or len(os.sched_getaffinity(0))
        engine_log = layout.log("serve", options.engine, name).with_suffix(".engine.log")
        starts = starts_of(asked, layout, engine_log, threads, options.slots)
        door = Door(
            options.host or platform.node(),
            options.port,
            certificate,
            key,
            asked.runs[0].engine.trusted_network,
            token,
        )
        idle_s = options.idle * 60 if options.idle else None
        wishes = Wishes(door, place, until, options.drain, idle_s, watching_servers(config))
        serve(asked.engine, starts, wishes)
    return 0


def _end(hours: float | None, until: datetime | None, drain: timedelta) -> datetime | None:
    """The first of the ends that are known. Raises NotemillError for one that is here."""
    now = datetime.now(UTC)
    ends = [until, now + timedelta(hours=hours) if hours else None, end_of_job()]
    first = min((each for each in ends if each), default=None)
    if first and first - now <= drain:
        raise NotemillError(
            f"it would have {(first - now).total_seconds() / 60:.1f} minutes, of which it takes "
            f"nothing new in the last {drain.total_seconds() / 60:g}",
            where="--hours, --until, or the job's time limit",
            remedy="give it more time, or a shorter --drain",
        )
    return first


COMMAND = Command(_serve, _arguments)

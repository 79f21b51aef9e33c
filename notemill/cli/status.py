"""`notemill status`: how the run goes, while it goes and after."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live

from notemill.cli.given import Command, Given
from notemill.files import explained, write_text
from notemill.plan.runs import plan_runs
from notemill.status.gather import gather
from notemill.status.picture import picture
from notemill.status.reading import Reading
from notemill.status.report import Status
from notemill.status.show import plain, shown

_EVERY_S = 5.0


def _arguments(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--watch",
        nargs="?",
        type=_seconds,
        const=_EVERY_S,
        metavar="SECONDS",
        help=f"show it again every so many seconds (by default {_EVERY_S:g}) until all is done "
        "and loaded, or Ctrl-C",
    )
    how.add_argument("--json", action="store_true", help="as JSON (docs/status.md)")
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="write a picture of speed and shards over time"
    )


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0.1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError("give seconds from 0.1 to 86400")
    return seconds


def _status(given: Given) -> int:
    options = given.arguments
    svg = options.svg.absolute() if options.svg else None  # before --directory is gone into
    config = given.config
    with explained(config.results):
        runs = plan_runs(config)
    reading = Reading()

    def look() -> Status:
        status = gather(config, runs, reading)
        if svg:
            write_text(svg, picture(status))
        return status

    if options.json:
        print(look().model_dump_json(indent=2))
    elif options.watch is None:
        _show(look())
    else:
        _watch(look, options.watch)
    return 0


def _terminal() -> Console | None:
    """The terminal, None where the output goes elsewhere or can't be drawn on."""
    if not sys.stdout.isatty():
        return None
    console = Console(highlight=False, markup=False, emoji=False)
    return None if console.is_dumb_terminal else console


def _drawn(status: Status, console: Console) -> RenderableType:
    return shown(status, fancy=console.encoding.lower().startswith("utf"))


def _show(status: Status) -> None:
    if console := _terminal():
        console.print(_drawn(status, console))
    else:
        print(plain(status), flush=True)


def _watch(look: Callable[[], Status], every_s: float) -> None:
    """Look again and again; Ctrl-C is how one leaves."""
    console = _terminal()
    try:
        status = look()
        if console is None:
            print(plain(status), flush=True)
            while not status.done:
                time.sleep(every_s)
                status = look()
                print("\n" + plain(status), flush=True)
            return
        with Live(_drawn(status, console), console=console, auto_refresh=False) as live:
            while not status.done:
                time.sleep(every_s)
                status = look()
                live.update(_drawn(status, console), refresh=True)
    except KeyboardInterrupt:
        return


COMMAND = Command(_status, _arguments)

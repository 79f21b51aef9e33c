"""`notemill status`: how the run goes, while it goes and after."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.live import Live

from notemill.cli.given import Command, Given
from notemill.files import write_text
from notemill.plan.runs import plan_runs
from notemill.status.gather import gather
from notemill.status.picture import picture
from notemill.status.reading import Reading
from notemill.status.report import Status
from notemill.status.show import console_for, shown

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
        console = _console()
        console.print(shown(look(), fancy=_fancy(console)))
    else:
        _watch(look, options.watch)
    return 0


def _console() -> Console:
    return console_for(terminal=sys.stdout.isatty())


def _fancy(console: Console) -> bool:
    return console.is_terminal and console.encoding.lower().startswith("utf")


def _watch(look: Callable[[], Status], every_s: float) -> None:
    """Look again and again; Ctrl-C is how one leaves."""
    console = _console()
    fancy = _fancy(console)
    try:
        if not console.is_terminal or console.is_dumb_terminal:
            while True:
                status = look()
                console.print(shown(status, fancy=fancy))
                if status.done:
                    return
                time.sleep(every_s)
        status = look()
        with Live(shown(status, fancy=fancy), console=console, auto_refresh=False) as live:
            while not status.done:
                time.sleep(every_s)
                status = look()
                live.update(shown(status, fancy=fancy), refresh=True)
    except KeyboardInterrupt:
        return


STATUS = Command("status", "how the run goes, and what wants something of you", _status, _arguments)

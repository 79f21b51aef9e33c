"""The command `notemill`: what you ask beside the workflow; `snakemake` runs it.

Each command tells its options with -h.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from importlib import import_module
from pathlib import Path

from notemill.cli.given import DEFAULT_CONFIG, Command, Given
from notemill.cores import without_core_dumps
from notemill.errors import NotemillError
from notemill.logs import debugging, unexpected

_COMMANDS = {
    "new": "write the files of a new task: new task NAME",
    "bench-server": "how fast a server answers, by the number of requests in flight",
    "check": "everything that can be known before a GPU is spent",
    "audit": "draw a sample for readers who don't see the answers, and read what they say",
    "look": "write a private page with asked notes beside their answers",
    "pilot": "what the pilots measured, what it will cost, what to set",
    "purge": "remove the texts of a finished cohort, keep what an audit needs",
    "report": "write what the run came to, as one page and as data",
    "serve": "start a server that lives on, for answer jobs to find",
    "servers": "the servers that live on, and whether they can be asked from here",
    "status": "how the run goes, and what wants something of you",
    "summary": "what the finished loads came to",
}
"""What each does; the module of its name has the rest, and is imported for it alone."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_ROOM = NotemillError(
    "no space is left for what this command prints (disk full or quota reached)",
    where="standard output",
    remedy="free some space, or send it elsewhere",
)


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    if arguments is None:  # a process of its own
        without_core_dumps()
    parser = argparse.ArgumentParser(prog="notemill", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in _COMMANDS.items():
        subparser = commands.add_parser(name, help=told, description=told)
        subparser.add_argument(
            "--configfile", type=Path, help=f"by default {DEFAULT_CONFIG} in the folder of -d"
        )
        subparser.add_argument(
            "--directory",
            "-d",
            type=Path,
            help="the folder of your config/ and results, as you give it to snakemake",
        )
        if name in words:
            command: Command = import_module(f"notemill.cli.{name.replace('-', '_')}").COMMAND
            command.arguments(subparser)
            subparser.set_defaults(run=command.run)
    options = parser.parse_args(words)
    try:
        status: int = options.run(Given(options))
        sys.stdout.flush()
    except BrokenPipeError:  # its reader has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except NotemillError as error:
        if debugging():
            raise
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if debugging():
            raise
        if isinstance(error, OSError) and error.errno in _FULL and not error.filename:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush
            print(_NO_ROOM, file=sys.stderr)
            return 1
        print(unexpected(error), file=sys.stderr)  # its own words may quote a note
        return 1
    return status

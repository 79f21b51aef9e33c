"""`notemill purge`: the texts of a finished cohort removed, what an audit needs kept."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from notemill.cli.given import Command, Given
from notemill.errors import NotemillError
from notemill.notes.purged import texts_come_back
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from notemill.purge.ended import told_afterwards
from notemill.purge.purge import Purging, extract_lock, purging
from notemill.purge.texts import engine_logs_of_servers, summed

_STAYS = (
    "Stays: ids, hashes of texts, manifests, journals, result shards, loads, figures, audits' "
    "designs, keys, readings and estimates, the report, the database and files of answers. A free "
    "text of an answer may quote its note."
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cohort", help="one that is answered and loaded")
    parser.add_argument("--dry-run", "-n", action="store_true", help="say what would go")
    parser.add_argument(
        "--undo", action="store_true", help="let its notes be read from their source again"
    )
    parser.add_argument("--yes", action="store_true", help="don't ask before it is removed")


def _purge(given: Given) -> int:
    options = given.arguments
    config = given.config
    if options.undo:
        return _undo(Layout(config.results), options.cohort)
    with purging(Layout(config.results), options.cohort, plan_runs(config)) as ready:
        _tell(ready)
        if not ready.found and not options.dry_run and not ready.is_done:
            ready.run()
        if not ready.found or options.dry_run:
            return 0
        if not options.yes and not _is_wanted(options.cohort):
            print("Nothing was removed.")
            return 1
        ready.run()
    print(f"Removed. {told_afterwards(options.cohort)}")
    return 0


def _undo(layout: Layout, cohort: str) -> int:
    with closing(extract_lock(layout, cohort)):
        back = texts_come_back(layout, cohort)
    if not back:
        print(f"The texts of cohort '{cohort}' are not purged.")
        return 0
    print(
        "Run snakemake once with `--forcerun extract` added: it reads the notes from their source, "
        "if they are still the same. Until then nothing can be asked."
    )
    return 0


def _tell(ready: Purging) -> None:
    record = ready.record
    if not ready.found:
        print(f"Nothing below the results folder holds texts of cohort '{record.cohort}'.")
        return
    print(f"Of cohort '{record.cohort}', below {ready.layout.results}:")
    for removed in summed(ready.found):
        files = "1 file" if removed.files == 1 else f"{removed.files:,} files"
        print(f"  {removed.what}: {files}, {removed.bytes / 1e6:,.1f} MB")
    print(_STAYS)
    if ready.unfinished:
        print(
            "Begun, not finished, and not of this configuration, so nobody can finish them "
            f"afterwards: {', '.join(ready.unfinished)}."
        )
    if servers := engine_logs_of_servers(ready.layout):
        print(
            f"Not removed, because other cohorts' engines may write there: {len(servers)} logs "
            f"below {ready.layout.results / 'logs'}, in serve and session, which may quote notes."
        )
    print(
        "Not known here: the source, pages written with --out, sheets that readers have, backups."
    )
    print("Files are deleted, not overwritten.")


def _is_wanted(cohort: str) -> bool:
    """Whether someone at the terminal says so."""
    if not sys.stdin.isatty():
        raise NotemillError(
            "nobody can be asked here whether the texts are to go",
            where=f"notemill purge {cohort}",
            remedy="add --yes, or run it in a terminal",
        )
    print(f"Remove them for good? Type the cohort's name ({cohort}): ", end="", flush=True)
    return sys.stdin.readline().strip() == cohort


COMMAND = Command(_purge, _arguments)

"""How long `notemill status` takes for a large run.

    python -m benchmarks.status [--shards 2000] [--live 1000] [--done 500] [--runs 7]

Writes a run's files by notemill's own classes: jobs at work, and finished shards. Of the finished
ones none has a live file, which is the slower way: their result shards are opened. `--live-done`
gives them one. Prints the wall time of `python -m notemill status`, and that of `summary` beside
it, which starts in the same way and reads nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.unit.status.results import Results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--live", type=int, default=1000)
    parser.add_argument("--done", type=int, default=500)
    parser.add_argument("--live-done", action="store_true")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="notemill-status-") as folder:
        results = Results(Path(folder), shards=options.shards, texts=100).extracted()
        names = [entry.name for entry in results.entries]
        for name in names[: options.done]:
            results.result(name)
            if options.live_done:
                results.ends(name, *["answered"] * 100)
        for name in names[options.done : options.done + options.live]:
            results.job(name, *["answered"] * 60)
        for command in ("status", "summary"):
            seconds = sorted(_run(command, results.config_file) for _ in range(options.runs))
            print(f"{command}: best {seconds[0]:.2f} s, median {median(seconds):.2f} s")


def _run(command: str, config: Path) -> float:
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "notemill", command, "--configfile", str(config)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - started


if __name__ == "__main__":
    main()

"""How long an experiment's answers take into a file, written, read back and compared.

    python -m benchmarks.outputs                        1,000,000 rows, each form
    python -m benchmarks.outputs --rows 100000 1000000 --forms parquet csv.gz

A cohort is read from SQLite and all of its texts are answered, with made-up answers; then each file
is written in a process of its own, whose peak memory is VmHWM of /proc/PID/status. Processor
seconds stand beside the clock's, which say nothing on a machine that does something else too.
What is being done is told on standard error, a line of figures for each file on standard output.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from notemill.outputs.deliver import deliver
from tests.unit.conftest import Clinic, write_task
from tests.unit.loads import Loads, reopened

FORMS = ("parquet", "csv", "jsonl")


def make(folder: Path, rows: int, shards: int) -> None:
    """A cohort of so many notes, and result shards of all of them."""
    clinic = Clinic(folder)
    _tell(f"{rows:,} notes into SQLite")
    clinic.fill(*((number, f"note {number}") for number in range(rows)))
    _tell(f"reading them into {shards} shards")
    clinic.extract(shards=shards)
    _tell("made-up answers into result shards")
    why = "Nothing in this note speaks for it, and this is why it is unlikely."
    task = write_task(folder / "tasks")
    Loads(clinic, task, lambda text, _: {"response": "no", "reason": f"{text}: {why}"}).answer()


def written(folder: Path, form: str) -> dict[str, float | str]:
    """Write one file, here; what it took."""
    loads = reopened(folder)
    path = folder / f"answers.{form}"
    work = loads.work(results_table=None, outputs=[str(path)])
    started = time.monotonic(), time.process_time()
    report = deliver(None, work, loads.clinic.layout, loads.clinic.cohort())
    took, busy = time.monotonic() - started[0], time.process_time() - started[1]
    assert report.outputs[0].rows == work.manifest.counts.notes
    status = Path("/proc/self/status").read_text()
    return {
        "form": form,
        "rows": report.notes,
        "seconds": round(took, 1),
        "processor_seconds": round(busy, 1),
        "rows_a_processor_second": round(report.notes / busy),
        "peak_mib": round(int(status.partition("VmHWM:")[2].split()[0]) / 1024),
        "file_mib": round(path.stat().st_size / 2**20, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--forms", nargs="+", default=FORMS)
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "FORM"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(written(Path(options.one[0]), options.one[1])), flush=True)
        return
    for rows in options.rows:
        with tempfile.TemporaryDirectory(prefix="notemill-outputs-") as name:
            make(Path(name), rows, options.shards)
            for form in options.forms:
                _tell(f"writing {form}")
                command = [sys.executable, "-m", "benchmarks.outputs", "--one", name, form]
                subprocess.run(command, check=True)


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

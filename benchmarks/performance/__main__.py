"""Measure; write docs/performance.md's tables and plots and docs/performance/measurements.json.

    python -m benchmarks.performance [--quick] [--part answering --part plan] [--repeats 3] \
        [--only L40S:8:1:radiology] [--draw]

A part that is measured alone takes the place of its former measurements, and so does a line with
--only; the others stay. --draw measures nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from benchmarks.performance import answering, records, stages
from benchmarks.performance.page import write_page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="minutes instead of hours")
    parser.add_argument("--part", action="append", choices=["answering", *stages.STAGES])
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--only", action="append", help="lines of answering, as they are printed")
    parser.add_argument("--draw", action="store_true")
    options = parser.parse_args()
    parts = records.read()
    chosen = [] if options.draw else options.part or ["answering", *stages.STAGES]
    repeats = options.repeats or (1 if options.quick else 3)
    for name in chosen:
        print(name, flush=True)
        machine = records.this_machine(quick=options.quick)
        measured = [
            each
            for each in (parts[name].measurements if name in parts and options.only else [])
            if _told(each.line) not in options.only
        ]
        remarks: list[str] = []
        for each in _measured(name, options, repeats, remarks):
            print(f"  {_told(each.line)} {each.way}: {each.value} {each.unit}", flush=True)
            measured.append(each)
            # Each as it comes: what is stopped after hours has what it had.
            parts[name] = records.as_part(machine, measured, remarks)
            records.write(parts)
        parts[name] = records.as_part(machine, measured, remarks)
        records.write(parts)
    write_page(parts)


def _measured(
    name: str, options: argparse.Namespace, repeats: int, remarks: list[str]
) -> Iterator[records.Measurement]:
    """A part's measurements; what stops a line or a part is a remark: the others are worth it."""
    if name != "answering":
        yield from _remarked(name, stages.STAGES[name](options.quick, repeats), remarks)
        return
    for line in answering.lines(quick=options.quick):
        if not options.only or _told(vars(line)) in options.only:
            what = f"{name}, {_told(vars(line))},"
            yield from _remarked(what, answering.measure(line, repeats), remarks)


def _told(line: dict[str, Any]) -> str:
    return ":".join(map(str, line.values()))


def _remarked(
    what: str, measured: Iterator[records.Measurement], remarks: list[str]
) -> Iterator[records.Measurement]:
    try:
        yield from measured
    except Exception as error:
        remarks.append(f"{what} stopped: {type(error).__name__}: {error}")
        print(f"  {remarks[-1]}", flush=True)


if __name__ == "__main__":
    main()

"""What a measurement is written as: every note's time, a table of the levels, a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from notemill.bench.measure import Asked, Level, levels_of
from notemill.bench.picture import picture
from notemill.files import private_folder, write_text, written_whole

_SCHEMA = pa.schema(
    [
        ("in_flight", pa.int32()),
        ("began_s", pa.float64()),
        ("seconds", pa.float64()),
        ("status", pa.string()),
        ("attempts", pa.int32()),
        ("prompt_tokens", pa.int32()),
        ("answer_tokens", pa.int32()),
    ]
)
HEAD = ("in flight", "notes/s", "tokens/s", "p50 s", "p90 s", "p99 s", "asked", "failed")


def write_bench(
    folder: Path, asked: Sequence[Asked], seconds: float, about: dict[str, str]
) -> None:
    """Write notes.parquet, levels.csv and bench.svg, for you alone. about: what was measured."""
    private_folder(folder)
    columns = {name: [getattr(each, name) for each in asked] for name in _SCHEMA.names}
    told = {f"notemill.{name}": value for name, value in about.items()}
    table = pa.table(columns, schema=_SCHEMA.with_metadata(told))
    with written_whole(folder / "notes.parquet") as partial:
        pq.write_table(table, partial)
    levels = levels_of(asked, seconds)
    write_text(folder / "levels.csv", _csv(levels))
    write_text(folder / "bench.svg", picture(levels, about))


def row(level: Level) -> tuple[str, ...]:
    """A level as the table has it, below HEAD."""
    failures = ", ".join(f"{count} {status}" for status, count in level.failures.items())
    return (
        str(level.in_flight),
        f"{level.notes_per_second:.2f}",
        f"{level.tokens_per_second:.0f}",
        *(f"{each:.2f}" for each in level.latency),
        str(level.asked),
        failures or "0",
    )


def _csv(levels: Sequence[Level]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    writer.writerows(map(row, levels))
    return text.getvalue()

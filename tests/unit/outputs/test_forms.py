"""Each form with every type that an id or an answer can have, at its ends."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from notemill.notes.shard import ROW
from notemill.outputs.csv import Csv
from notemill.outputs.forms import Form
from notemill.outputs.jsonl import JsonLines
from notemill.outputs.parquet import Parquet
from notemill.outputs.proof import prove
from notemill.tasks.task import read_task
from tests.unit.loads import ID
from tests.unit.outputs.conftest import ORDER, Files, csv_rows, json_rows, parquet_rows

VALUES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "integer": (pa.int64(), [2**63 - 1, -(2**63), 0]),
    "text": (pa.string(), ["", "null", "=1+1\r\n\u2028\0"]),
    "binary": (pa.binary(), [b"", b"\x00\xff", b"=1"]),
    "decimal": (pa.decimal128(38, 2), [Decimal("-99999999999999999999.99"), Decimal("0.00"), None]),
    "date": (pa.date32(), [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None]),
    "timestamp": (
        pa.timestamp("us"),
        [datetime.datetime(1900, 1, 1), datetime.datetime(2026, 1, 1, 0, 0, 0, 1), None],
    ),
    "time": (
        pa.timestamp("us", tz="UTC"),
        [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)] * 3,
    ),
    "number": (pa.float64(), [-0.0, 1.7976931348623157e308, 5e-324]),
    "boolean": (pa.bool_(), [True, False, None]),
    "words": (pa.large_string(), [None, "", "NaN"]),
    "json": (pa.large_string(), ['{"b": [1.0, null], "a": "é\\n"}', None, "[]"]),
    "count": (pa.int32(), [1, -1, None]),
}
NAMES = ["a.parquet", "a.csv", "a.csv.gz", "a.csv.zst", "a.jsonl", "a.jsonl.gz", "a.ndjson.zst"]


def form(name: str, schema: pa.Schema) -> Form:
    path = Path(name)
    if name.startswith("a.parquet"):
        return Parquet(path, schema)
    return Csv(path, schema) if ".csv" in name else JsonLines(path, schema, [], ["json"], None)


@pytest.mark.parametrize("name", NAMES)
def test_every_type_comes_back_to_the_last_bit(tmp_path: Path, name: str) -> None:
    columns = [pa.array(values, kind) for kind, values in VALUES.values()]
    schema = pa.schema([(each, kind) for each, (kind, _) in VALUES.items()])
    batch = pa.RecordBatch.from_arrays(
        [*columns, pa.array([0, 1, 2])], schema=schema.append(pa.field(ROW, pa.int64()))
    )
    long = pa.RecordBatch.from_pylist(
        [dict.fromkeys(schema.names) | {"words": "x" * 3_000_000 + "\n=", ROW: 3}], batch.schema
    )
    written, place = form(name, schema), tmp_path / name
    rows = [batch, long, batch]
    written.write(place, written.made(iter(rows)))
    values = prove(place, written, written.made(iter(rows)), place)
    assert values >= 7 * len(VALUES)
    if name == "a.jsonl":
        first = json.loads(place.read_text().split("\n")[0])
        assert first["json"] == {"b": [1.0, None], "a": "é\n"}
        assert (first["decimal"], first["binary"]) == ("-99999999999999999999.99", "")


def test_what_a_gate_settled_and_where_evidence_was_found_is_in_each_row(files: Files) -> None:
    (files.task.folder / "task.yaml").write_text("gate: {settle_if: {second: two}}\n")
    gated = Files(files.clinic, read_task(files.task.folder.parent, files.task.name))
    gated.answer()
    report = gated.deliver("a.parquet", "a.csv", "a.jsonl", experiment=ID)
    assert (report.answered, report.not_relevant, report.blank) == (5, 1, 1)
    assert report.gate == {"second": {"not_relevant": 1, "cut": 0, "whole": 0}}
    rows = parquet_rows(gated.file("a.parquet"))
    assert [row["visit"] for row in rows] == ORDER
    assert (rows[0]["status"], rows[0]["gate_rule"]) == ("not_relevant", "second")
    assert [row["gate_sent"] for row in rows] == [0.0, 1.0, None, 1.0, 1.0, 1.0, 1.0]
    assert json_rows(gated.file("a.jsonl"))[0]["status"] == "not_relevant"
    assert csv_rows(gated.file("a.csv"))[0]["gate_rule"] == "second"

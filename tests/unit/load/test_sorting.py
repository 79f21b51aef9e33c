"""notemill.load.sorting: rows in the order of their ids, whatever goes to disk."""

from __future__ import annotations

import datetime
import os
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.errors import NotemillError
from notemill.load import sorting
from notemill.load.sorting import Sorted
from tests.disks import small_disk

KEYS = {
    "number": (pa.int64(), st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1)),
    "text": (pa.string(), st.text(st.sampled_from("aA \x00é🩺\uffff"), max_size=3)),
    "bytes": (pa.binary(), st.binary(max_size=2)),
    "exact": (
        pa.decimal128(38, 2),
        st.integers(-(10**9), 10**9).map(lambda n: Decimal(n).scaleb(-2)),
    ),
    "day": (pa.date32(), st.dates(datetime.date(1900, 1, 1))),
    "time": (
        pa.timestamp("us"),
        st.datetimes(datetime.datetime(1900, 1, 1)).map(lambda t: t.replace(fold=0)),
    ),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in KEYS.items()])
rows = st.tuples(*(values for _, values in KEYS.values()))


def batch(of: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = list(zip(*of, strict=True)) or [()] * len(KEYS)
    arrays = [pa.array(c, field.type) for c, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


@given(
    given=st.lists(st.lists(rows, max_size=9), max_size=9),
    keys=st.permutations(list(KEYS)),
    run=st.sampled_from([1, 400, 10**9]),
    block=st.sampled_from([1, 200]),
)
@settings(max_examples=30)
def test_rows_come_by_their_keys_each_once_and_again(
    given: list[list[tuple[Any, ...]]], keys: list[str], run: int, block: int
) -> None:
    with (
        mock.patch.multiple(sorting, _RUN_BYTES=run, _BLOCK_BYTES=block),
        Sorted(SCHEMA, keys) as spool,
    ):
        for part in given:
            spool.add(batch(part))
        places = [SCHEMA.names.index(key) for key in keys]
        wanted = sorted(
            (row for part in given for row in part), key=lambda row: [row[n] for n in places]
        )
        for _ in range(2):
            found = [tuple(r.values()) for b in spool.batches(4) for r in b.to_pylist()]
            assert found == wanted
        assert spool.rows == len(wanted)


def test_a_file_that_rows_wait_in_has_no_name_and_one_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sorting, "_RUN_BYTES", 1)
    row = (1, "SECRET", b"", Decimal(1), datetime.date(2000, 1, 1), datetime.datetime(2000, 1, 1))
    with Sorted(SCHEMA, ["number"]) as spool:
        spool.add(batch([row]))
        spool.add(batch([row]))
        assert spool._file is not None
        assert os.fstat(spool._file).st_size > 0
        assert os.fstat(spool._file).st_mode & 0o077 == 0
        assert list(tmp_path.iterdir()) == []
        kept = spool._file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(kept)


def test_a_full_disk_is_named_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "_RUN_BYTES", 1)
    monkeypatch.delenv("SLURM_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    row = (1, "SECRET", b"", Decimal(1), datetime.date(2000, 1, 1), datetime.datetime(2000, 1, 1))
    with small_disk(tmp_path, kib=16) as disk, Sorted(SCHEMA, ["number"]) as spool:
        disk.fill()
        with pytest.raises(NotemillError) as refused:
            spool.add(batch([row]))
        assert refused.value.where == str(tmp_path)
    assert "TMPDIR" in refused.value.remedy
    assert "SECRET" not in str(refused.value)

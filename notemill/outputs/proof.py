"""The proof of a file: what it gives back when it is read is what was to be written, by value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from notemill.errors import NotemillError
from notemill.load.values import differing
from notemill.outputs.forms import Form
from notemill.outputs.steps import Steps


def prove(place: Path, form: Form, wanted: Iterator[pa.RecordBatch], named: Path) -> int:
    """Read the place back and compare every value; returns how many.

    named: the file's name in errors. Raises NotemillError for a row too many or too few, another
    order, or a value that differs by type, code point or bit.
    """
    steps = Steps(form.read(place), wanted)
    values = 0
    different: Counter[str] = Counter()
    try:
        for got, due in steps:
            values += due.num_rows * due.num_columns
            for name, one, other in zip(due.schema.names, due.columns, got.columns, strict=True):
                if not same(one, other):
                    count = differing(one.to_pylist(), other.to_pylist())
                    different[name.strip("\0")] += max(count, 1)
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        raise _refusal("it can't be read back", named) from error
    if steps.left_over:
        different["its number of rows"] += steps.left_over
    if different:
        told = ", ".join(f"{name} ({count})" for name, count in different.items())
        raise _refusal(f"it gives back other values than it was given: {told}", named)
    return values


def same(one: pa.Array, other: pa.Array) -> bool:
    """Whether two columns are the same by type, code point and bit."""
    if pa.types.is_floating(one.type) and one.type == other.type:
        bits = pa.int64()
        return bool(one.view(bits).equals(other.view(bits)))
    return one.type == other.type and bool(one.equals(other))


def _refusal(what: str, named: Path) -> NotemillError:
    return NotemillError(
        f"the file was written and {what}; it was not put in its place",
        where=str(named),
        remedy="is the disk or the file system damaged there? Write to another folder and run "
        "again; nothing is asked for it",
    )

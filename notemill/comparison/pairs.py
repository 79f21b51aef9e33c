"""Two experiments' answers side by side: the same notes in the same order, text after text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from notemill.answers.verdict import NOT_ASKED, Status
from notemill.comparison.sides import Answered
from notemill.errors import NotemillError

TEXT = "text_sha256"
_STATUS = "status"
_NOT_ASKED = pa.array([status.value for status in NOT_ASKED])


@dataclass(frozen=True)
class Texts:
    """Some texts that were asked, whole: all notes of each are here.

    notes: a row a note, the ids and the texts' hashes; starts: the first note of each text; sizes:
    its notes. answers: of the first and the second, a row a text, by the field's name; answered:
    whether there is one.
    """

    notes: pa.Table
    starts: np.ndarray
    sizes: np.ndarray
    answers: tuple[pa.Table, pa.Table]
    answered: tuple[np.ndarray, np.ndarray]

    @property
    def both(self) -> np.ndarray:
        """Texts that both have an answer to."""
        both: np.ndarray = self.answered[0] & self.answered[1]
        return both

    def spread(self, of_texts: np.ndarray) -> np.ndarray:
        """What is told of each text, for each note."""
        return np.repeat(of_texts, self.sizes)


def paired_texts(
    first: Answered, second: Answered, ids: Sequence[str], columns: dict[str, tuple[str, str]]
) -> Iterator[Texts]:
    """All texts that were asked, some at a time; those that neither asked are left out.

    columns: of each field, the column that the first and the second have it in.
    Raises NotemillError where the two do not answer the same notes.
    """
    rest: pa.Table | None = None
    for notes in _in_step(first, second, ids, columns):
        table = pa.concat_tables([rest, notes]) if rest is not None else notes
        if not len(table):
            continue
        hashes = table[TEXT].combine_chunks()
        begins = np.ones(len(table), bool)
        begins[1:] = pc.not_equal(hashes[1:], hashes[:-1]).to_numpy(zero_copy_only=False)
        last = int(np.flatnonzero(begins)[-1])  # its notes may go on in the next rows
        if last:
            yield _texts(table.slice(0, last), begins[:last], ids, list(columns))
        rest = table.slice(last)
    if rest is not None and len(rest):
        begins = np.zeros(len(rest), bool)
        begins[0] = True
        yield _texts(rest, begins, ids, list(columns))


def _texts(table: pa.Table, begins: np.ndarray, ids: Sequence[str], fields: Sequence[str]) -> Texts:
    starts = np.flatnonzero(begins)
    firsts = table.take(starts)
    sides = [
        firsts.select([f"{which} {field}" for field in fields]).rename_columns(list(fields))
        for which in (1, 2)
    ]
    answered = [
        pc.equal(firsts[f"{which} {_STATUS}"], Status.ANSWERED.value).to_numpy() for which in (1, 2)
    ]
    return Texts(
        table.select([*ids, TEXT]),
        starts,
        np.diff([*starts, len(table)]),
        (sides[0], sides[1]),
        (answered[0], answered[1]),
    )


def _in_step(
    first: Answered, second: Answered, ids: Sequence[str], columns: dict[str, tuple[str, str]]
) -> Iterator[pa.Table]:
    """Rows of both, as many of each at a time. Field and status stand behind `1 ` and `2 `."""
    whose = [*ids, TEXT]
    sources = [
        side.rows([*whose, _STATUS, *(each[which] for each in columns.values())])
        for which, side in enumerate((first, second))
    ]
    names = [[*whose, *(f"{which} {name}" for name in (_STATUS, *columns))] for which in (1, 2)]
    waiting: list[pa.Table | None] = [None, None]
    while True:
        for which, source in enumerate(sources):
            held = waiting[which]
            while held is None or not len(held):
                batch = next(source, None)
                if batch is None:
                    held = None
                    break
                columns_in_order = [batch.column(name) for name in _read(which, whose, columns)]
                held = pa.Table.from_arrays(columns_in_order, names=names[which])
            waiting[which] = held
        one, other = waiting
        if one is None or other is None:
            if one is not other:
                raise _other_notes(first, second)
            return
        rows = min(len(one), len(other))
        left, right = one.slice(0, rows), other.slice(0, rows)
        waiting = [one.slice(rows), other.slice(rows)]
        if not left.select(whose).equals(right.select(whose)):
            raise _other_notes(first, second)
        table = left
        for name in names[1][len(whose) :]:
            table = table.append_column(name, right[name])
        unasked = (pc.is_in(table[f"{which} {_STATUS}"], _NOT_ASKED) for which in (1, 2))
        yield table.filter(pc.invert(pc.and_(*unasked)))


def _read(which: int, whose: Sequence[str], columns: dict[str, tuple[str, str]]) -> list[str]:
    return [*whose, _STATUS, *(each[which] for each in columns.values())]


def _other_notes(first: Answered, second: Answered) -> NotemillError:
    return NotemillError(
        f"{first.experiment} and {second.experiment} do not answer the same notes",
        where=str(second.shards[0].parent),
        remedy="result shards were moved or changed; delete them and run again with the "
        "experiment in the configuration: their journals have the answers",
    )

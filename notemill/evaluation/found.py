"""The gold's notes in a cohort of any size: by their ids, read by row groups, few rows kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from notemill.answers.finished import Finished
from notemill.answers.shard import REMEDY
from notemill.errors import NotemillError
from notemill.evaluation.gold import Gold, Key
from notemill.evaluation.source import told_rows
from notemill.notes.shard import CHARACTERS, READ_ANEW, is_purged, readable_parquet
from notemill.notes.text import TextState

_GROUPS_AT_ONCE = 64


@dataclass(frozen=True)
class FoundNotes:
    """Notes of the gold that the cohort has. places: of their rows in the gold, ascending.

    texts: hashes (hex); blank: nothing to ask about; characters: of the text.
    """

    places: np.ndarray
    texts: list[str]
    blank: np.ndarray
    characters: np.ndarray


def found_notes(finished: Finished, gold: Gold) -> FoundNotes:
    """The gold's notes that are in the cohort."""
    layout, cohort = finished.layout, finished.cohort
    paths = [layout.notes(cohort, path.parent.name, path.stem) for path in finished.shards]
    places: list[int] = []
    texts: list[str] = []
    blank: list[bool] = []
    characters: list[int] = []
    for some, rows in _notes_rows(paths, finished.id_names, gold.keys):
        places += some
        texts += [each.hex() for each in rows["text_sha256"].to_pylist()]
        blank += [state != TextState.OK for state in rows["text_state"].to_pylist()]
        characters += pc.fill_null(rows[CHARACTERS], 0).to_pylist()
    order = np.argsort(np.array(places, int), kind="stable")
    return FoundNotes(
        places=np.array(places, int)[order],
        texts=[texts[place] for place in order],
        blank=np.array(blank, bool)[order],
        characters=np.array(characters, int)[order],
    )


def _notes_rows(
    paths: Sequence[Path], id_names: list[str], keys: list[Key]
) -> Iterator[tuple[list[int], pa.Table]]:
    """Rows of notes shards, with their texts' lengths, as a purge has kept them or counted now."""
    for path in paths:
        with readable_parquet(path, remedy=READ_ANEW) as file:
            length = CHARACTERS if is_purged(file) else "text"
        names = ["text_sha256", "text_state", length]
        for places, rows in _rows([path], id_names, keys, names, READ_ANEW):
            if length == "text":
                rows = rows.append_column(CHARACTERS, pc.utf8_length(rows["text"]))
            yield places, rows


def found_answers(
    finished: Finished, gold: Gold, columns: Sequence[str]
) -> tuple[list[str], dict[str, list[Any]]]:
    """Of each note of the gold its status, and these columns of its answer.

    Raises NotemillError where a result shard lacks one, which its cohort has.
    """
    names = ["status", *columns]
    values: dict[int, tuple[Any, ...]] = {}
    for places, rows in _rows(finished.shards, finished.id_names, gold.keys, names, REMEDY):
        cells = zip(*(rows[name].to_pylist() for name in names), strict=True)
        values |= dict(zip(places, cells, strict=True))
    if len(values) < len(gold.keys):
        raise NotemillError(
            f"{len(gold.keys) - len(values)} notes of the gold are in the notes shards and not in "
            "the result shards",
            where=str(finished.shards[0].parent),
            remedy="run snakemake with your profile to its end first",
        )
    status, *rest = zip(*(values[place] for place in range(len(gold.keys))), strict=True)
    return list(status), {name: list(each) for name, each in zip(columns, rest, strict=True)}


def told_missing(finished: Finished, gold: Gold, found: FoundNotes) -> str:
    """Rows whose notes the cohort does not have, and what may have happened to their ids."""
    there = set(found.places.tolist())
    missing = [place for place in range(len(gold.keys)) if place not in there]
    told = told_rows([gold.rows[place] for place in missing])
    for number, name in enumerate(finished.id_names):
        if isinstance(gold.keys[0][number], str):
            lost = {gold.keys[place][number] for place in missing}
            if _told_apart_by_zeros(finished, name, lost):
                return f"{told}. But for zeros or spaces around {name} some are in it"
    return told


def _told_apart_by_zeros(finished: Finished, name: str, ids: set[str]) -> bool:
    bare = pa.array(sorted({_bare(each) for each in ids} - {""}), pa.string())
    for batch in finished.rows([name]):
        there = pc.utf8_ltrim(pc.utf8_trim_whitespace(batch.column(name)), "0 ")
        if pc.any(pc.is_in(there, value_set=bare)).as_py():
            return True
    return False


def _bare(value: str) -> str:
    return value.strip().lstrip("0 ")


def _rows(
    paths: Sequence[Path],
    id_names: list[str],
    keys: list[Key],
    columns: list[str],
    remedy: str,
) -> Iterator[tuple[list[int], pa.Table]]:
    """Rows of shards whose ids are among the keys: the keys' places, and the rows' columns."""
    places = {key: place for place, key in enumerate(keys)}
    for path in paths:
        with readable_parquet(path, remedy=remedy) as file:
            _refuse_missing({*id_names, *columns}, file, path, remedy)
            sets = _value_sets(file, id_names, keys)
            for first in range(0, file.num_row_groups, _GROUPS_AT_ONCE):
                groups = range(first, min(first + _GROUPS_AT_ONCE, file.num_row_groups))
                hits = _hits(file, groups, sets, places)
                yield from _of_groups(file, groups, hits, columns)


def _refuse_missing(names: set[str], file: pq.ParquetFile, path: Path, remedy: str) -> None:
    if missing := names - set(file.schema_arrow.names):
        raise NotemillError(
            f"this shard lacks the columns {', '.join(sorted(missing))}",
            where=str(path),
            remedy=remedy,
        )


def _value_sets(file: pq.ParquetFile, id_names: list[str], keys: list[Key]) -> dict[str, pa.Array]:
    """Of each id column the values that the keys have, as the file's type."""
    return {
        name: pa.array(list({key[place] for key in keys}), file.schema_arrow.field(name).type)
        for place, name in enumerate(id_names)
    }


def _hits(
    file: pq.ParquetFile, groups: range, sets: Mapping[str, pa.Array], places: dict[Key, int]
) -> dict[int, int]:
    """Rows of these groups, counted from the first one's, with the place of their key."""
    ids = file.read_row_groups(list(groups), columns=list(sets), use_threads=False)
    mask: Any = None
    for name, values in sets.items():
        inside = pc.is_in(ids[name], value_set=values)
        mask = inside if mask is None else pc.and_(mask, inside)
    rows = np.flatnonzero(mask.to_numpy(zero_copy_only=False))
    found = ids.take(pa.array(rows))
    keys = zip(*(found[name].to_pylist() for name in sets), strict=True)
    return {row: places[key] for row, key in zip(rows.tolist(), keys, strict=True) if key in places}


def _of_groups(
    file: pq.ParquetFile, groups: range, hits: dict[int, int], columns: list[str]
) -> Iterator[tuple[list[int], pa.Table]]:
    """The hits with their columns, one row group in memory at once."""
    begin = 0
    for group in groups:
        end = begin + file.metadata.row_group(group).num_rows
        inside = [row for row in hits if begin <= row < end]
        if inside:
            table = file.read_row_group(group, columns=columns, use_threads=False)
            yield [hits[row] for row in inside], table.take([row - begin for row in inside])
        begin = end

"""What was drawn, text by text: which row of whose sheet is which text. Private."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count, cycle
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from notemill.audit.population import Drawn, number_of
from notemill.files import Record, read_json

ADJUDICATOR = "adjudication"
"""Whose rows those of the adjudication sheet are; no reader has this name."""
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Of a row's id: no spreadsheet program takes it for a number, a date or a word."""
_LENGTH = 8


class KeyText(BaseModel):
    """A text that is read. stratum: its place in the design's strata; rows: a row's id by reader.

    notes: how many have this text; parts: sha256 of each of its parts in a sheet, see sheet.py.
    """

    model_config = ConfigDict(frozen=True)

    text_sha256: str
    stratum: int
    notes: int
    certain: bool
    rows: dict[str, str]
    parts: list[str]


class AuditKey(Record):
    """All texts of an audit, in the order of their hashes. question: in the prompts' words."""

    question: list[str]
    texts: list[KeyText]

    def of(self, reader: str) -> list[KeyText]:
        """The texts that this reader gets."""
        return [text for text in self.texts if reader in text.rows]

    def sheet_order(self, reader: str, texts: Sequence[KeyText], seed: int) -> list[KeyText]:
        """These texts in the order of the reader's sheet, which no other reader's has."""
        return sorted(texts, key=lambda text: number_of(seed, "order", text.rows[reader]))

    def whose(self) -> dict[str, tuple[str, KeyText]]:
        """Reader and text of each row's id."""
        return {row: (reader, text) for text in self.texts for reader, row in text.rows.items()}


def read_key(path: Path) -> AuditKey:
    """Read an audit's key. Raises NotemillError if it is not one."""
    return read_json(
        AuditKey,
        path,
        problem="this is no key of an audit, without which its sheets say nothing",
        remedy="bring it back from a backup; or draw again with the seed of design.json and "
        "another --name: the texts are the same, the sheets are not",
    )


def dealt(
    strata: Sequence[Sequence[Drawn]], readers: Sequence[str], shared: float, seed: int
) -> dict[str, list[str]]:
    """Who reads each text, by its hash: some of each stratum all readers, of the others one each.

    shared: the share of all readers' texts, at least one a stratum unless it is 0.
    """
    dealing = cycle(readers)
    who = {}
    for drawn in strata:
        order = sorted(drawn, key=lambda each: number_of(seed, "dealt", each.text_sha256))
        for_all = min(len(order), max(round(shared * len(order)), 1)) if shared else 0
        for place, each in enumerate(order):
            who[each.text_sha256] = list(readers) if place < for_all else [next(dealing)]
    return who


def row_ids(who: Mapping[str, list[str]], seed: int, audit: str) -> dict[tuple[str, str], str]:
    """An id for each reader's row of each text, and for the adjudication's, no two alike.

    audit: what no other audit is called, so that its rows are told from others'.
    """
    given: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    for text_sha256, readers in who.items():
        for reader in (*readers, ADJUDICATOR):
            row = next(
                row for row in _candidates(seed, audit, reader, text_sha256) if row not in taken
            )
            given[text_sha256, reader] = row
            taken.add(row)
    return given


def _candidates(seed: int, audit: str, reader: str, text_sha256: str) -> Iterator[str]:
    for again in count():
        number = number_of(seed, "row", audit, reader, text_sha256, str(again))
        letters = []
        for _ in range(_LENGTH):
            number, letter = divmod(number, len(_LETTERS))
            letters.append(_LETTERS[letter])
        yield "".join(letters)

"""How good answers are: pairs of (right response, response given), NONE where none validated."""

from __future__ import annotations

from rich.table import Table

from models.notes import RESPONSES

NONE = "none"
"""Stands for the response of a note without a valid answer."""

Pairs = list[tuple[str, str]]


def accuracy(pairs: Pairs) -> float:
    """Share of right answers; a note without an answer counts as wrong."""
    return sum(right == answer for right, answer in pairs) / len(pairs)


def confusion(pairs: Pairs) -> Table:
    """Right answers by row, the model's by column."""
    table = Table(title="right answer (rows), model's answer (columns)")
    columns = [*RESPONSES, NONE]
    table.add_column("")
    for column in columns:
        table.add_column(column[:3] if column != NONE else NONE, justify="right")
    for right in RESPONSES:
        table.add_row(right, *(str(pairs.count((right, answer))) for answer in columns))
    return table

"""A cell of the gold as what it means: an id, or a label. Reasons name no value: it is data."""

from __future__ import annotations

import datetime
import json
import math
import re
import unicodedata
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from notemill.database.keys import INT64, IdColumn
from notemill.evaluation.fields import Shape

UNLABELLED: Any = object()
"""The label of an empty cell."""
NULL = "null"
"""How a text says that there is no value, which is a label too."""

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,37})")
_DECIMAL = re.compile(r"\s*-?[0-9]{1,38}(\.[0-9]{0,38})?\s*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
_INSTANT = re.compile(_TIME.pattern + r"([+-]\d{2}(:?\d{2})?|Z)")
_TRUE_FALSE = {"true": True, "false": False, "1": True, "0": False}


class CellError(ValueError):
    """Why a cell can't be taken, without its value; what to do about it."""


def is_empty(value: Any) -> bool:
    """Whether a cell says nothing: no value, a text of white space, or a float's NaN."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def id_value(value: Any, column: IdColumn) -> Any:
    """The id that a cell holds, exactly as the cohort has it. Raises CellError.

    A text, as CSV has all, is read as the column's kind; any other value is of that kind already.
    """
    if is_empty(value) and column.kind != "text":
        raise CellError("is empty")
    if value is None:
        raise CellError("is empty")
    return _ID_OF[column.kind](value, column)


def _integer(value: Any, _: IdColumn) -> int:
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value):
            raise CellError(
                "is not a whole number as the cohort has it: no point or E, no zeros before it "
                "(a spreadsheet program writes 1.0 or 1E+05 for a number)"
            )
        value = int(value)
    if type(value) is not int or value not in INT64:
        raise CellError("is not a whole number of 64 bits (a column with gaps may have become one "
                        "of floats)")  # fmt: skip
    return value


def _text(value: Any, _: IdColumn) -> str:
    if not isinstance(value, str):
        raise CellError(
            "is a number or a date, and the cohort's ids are text: zeros before it may be lost"
        )
    return value


def _binary(value: Any, _: IdColumn) -> bytes:
    if isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError:
            raise CellError("is not bytes in hexadecimal digits") from None
    if not isinstance(value, bytes):
        raise CellError("is not bytes")
    return value


def _decimal(value: Any, column: IdColumn) -> Decimal:
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise CellError("is not a decimal number")
        value = Decimal(value.strip())
    if type(value) is int:
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise CellError("is not a decimal number")
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > (column.scale or 0):
        raise CellError("has more digits after the point than the cohort's")
    if value.adjusted() + 1 + (column.scale or 0) > 38:
        raise CellError("has more digits than the cohort's")
    return value


def _date(value: Any, _: IdColumn) -> datetime.date:
    if isinstance(value, str):
        if not _DATE.fullmatch(value):
            raise CellError("is not a date such as 2024-03-31 (a spreadsheet program may have "
                            "written it in its own way)")  # fmt: skip
        try:
            value = datetime.date.fromisoformat(value)
        except ValueError:
            raise CellError("is no day of the calendar") from None
    if type(value) is not datetime.date:
        raise CellError("is not a date without a time")
    return value


def _timestamp(value: Any, _: IdColumn) -> datetime.datetime:
    if isinstance(value, str):
        if not _TIME.fullmatch(value):
            raise CellError("is not a time such as 2024-03-31 14:05:00 (a spreadsheet program may "
                            "have written it in its own way)")  # fmt: skip
        try:
            value = datetime.datetime.fromisoformat(value)
        except ValueError:
            raise CellError("is no time of the calendar") from None
    if (
        not isinstance(value, datetime.datetime)
        or value.tzinfo
        or bool(getattr(value, "nanosecond", False))
    ):
        raise CellError("is not a time without a zone, to the microsecond")
    return datetime.datetime.combine(value.date(), value.time())


def _instant(value: Any, column: IdColumn) -> datetime.datetime:
    """A time with its zone, as UTC; one without a zone is UTC already."""
    if isinstance(value, str):
        if not _INSTANT.fullmatch(value):
            raise CellError("is not a time with its zone such as 2024-03-31 14:05:00+02:00")
        try:
            value = datetime.datetime.fromisoformat(value)
        except ValueError:
            raise CellError("is no time of the calendar") from None
    if isinstance(value, datetime.datetime) and value.tzinfo:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return _timestamp(value, column)


def _uuid(value: Any, _: IdColumn) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise CellError("is not a UUID") from None


_ID_OF: dict[str, Callable[[Any, IdColumn], Any]] = {
    "integer": _integer,
    "text": _text,
    "binary": _binary,
    "decimal": _decimal,
    "date": _date,
    "timestamp": _timestamp,
    "timestamptz": _instant,
    "uuid": _uuid,
}


def label_of(value: Any, shape: Shape) -> Any:
    """The label that a cell holds: a choice's place, a number or None, a set of items; UNLABELLED
    for an empty cell. Raises CellError."""
    if is_empty(value):
        return UNLABELLED
    match shape.kind:
        case "choices":
            return _place(value, shape.choices, shape.labels)
        case "number":
            return _number(value, null=shape.null)
        case "items":
            return _items(value, shape)


def answer_of(value: Any, shape: Shape) -> Any:
    """An answer's value, as its column holds it, in the form of a label."""
    if isinstance(value, Decimal):
        value = float(value)
    match shape.kind:
        case "choices":
            return _places(shape.choices)[repr(value)]
        case "number":
            return value if value is None else float(value)
        case "items":
            values = value if shape.listed else [value]
            return frozenset(_item(each) for each in values or [] if each is not None)


def _place(value: Any, choices: tuple[Any, ...], names: list[str]) -> int:
    """The place of the choice that a cell names: by its very value, or as text."""
    places = _places(choices)
    if not isinstance(value, str) and (place := places.get(repr(value))) is not None:
        return place
    for text in (str(value), str(value).strip()):
        if text in choices:
            return choices.index(text)
        if text in names:
            return names.index(text)
    text = str(value).strip().lower()
    if True in choices and text in _TRUE_FALSE and repr(_TRUE_FALSE[text]) in places:
        return places[repr(_TRUE_FALSE[text])]
    if None in choices and text == NULL:
        return places["None"]
    if (number := _as_whole(text)) is not None and repr(number) in places:
        return places[repr(number)]
    raise CellError(f"is none of the answer's choices ({', '.join(names)})")


def _places(choices: tuple[Any, ...]) -> dict[str, int]:
    """By their writing: True is no 1."""
    return {repr(choice): place for place, choice in enumerate(choices)}


def _as_whole(text: str) -> int | None:
    """1 of "1" and of "1.0", which is what a column with gaps makes of it."""
    match = re.fullmatch(r"(-?[0-9]{1,18})(\.0+)?", text)
    return int(match[1]) if match else None


def _number(value: Any, *, null: bool) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        if null and text.lower() == NULL:
            return None
        if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
            raise CellError("is not a number (write 1234.5, without a comma or a unit)")
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise CellError("is not a number")
    if not math.isfinite(number := float(value)):
        raise CellError("is not a finite number")
    return number


def _items(value: Any, shape: Shape) -> frozenset[str]:
    if isinstance(value, str):
        text = value.strip()
        if text.lower() == NULL:
            return frozenset()
        values = _split(text) if shape.listed else [text]
    elif isinstance(value, list | tuple):
        if not shape.listed:
            raise CellError("is a list, and the answer is one value")
        values = list(value)
    else:
        values = [value]
    if any(isinstance(each, list | dict) or each is None for each in values):
        raise CellError("is not a list of plain values")
    items = frozenset(_item(each) for each in values)
    known = {_item(choice) for choice in shape.choices if choice is not None}
    if known and not items <= known:
        raise CellError(f"has an item that is none of its choices ({_some(shape.labels)})")
    return items


def _split(text: str) -> list[Any]:
    """A JSON list, or texts between semicolons."""
    if text.startswith("["):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            raise CellError("begins with [ and is no JSON list") from None
        return list(values)
    return [part for part in text.split(";") if part.strip()]


def _item(value: Any) -> str:
    """An item as it is compared: whatever its case, its white space and its form in Unicode."""
    text = value if isinstance(value, str) else _plain(value)
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _plain(value: Any) -> str:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, default=str)


def _some(names: list[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")

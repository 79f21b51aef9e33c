"""Tables as a page shows them: cells with what they sort by and copy as, and their footnotes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from notemill.look.words import printed
from notemill.report import numbers
from notemill.report.count import Count
from notemill.report.numbers import DASH
from notemill.statistics.figure import Figure


@dataclass(frozen=True)
class Cell:
    """text: as it is read. copied: what it sorts by and is copied as, where that is not its text;
    more than one where a figure has an interval. by: what it sorts by and is not copied as.

    plot: stands in place of the text. why: why there is no number. level: 1 to 9, how dark it is.
    strong: whether it stands out.
    """

    text: str = ""
    copied: tuple[float | str | None, ...] = ()
    by: float | None = None
    plot: Markup | None = None
    why: str = ""
    level: int | None = None
    strong: bool = False

    @property
    def data(self) -> str:
        """`copied` as the page's script takes it apart."""
        return "|".join("" if each is None else _raw(each) for each in self.copied)


@dataclass(frozen=True)
class Column:
    """name: its heading. number: whether it holds numbers. copied: headings of what its cells are
    copied as, where they are several. plots: it holds plots, and `axis` is their head."""

    name: str
    number: bool = True
    copied: tuple[str, ...] = ()
    plots: bool = False
    axis: Markup | None = None


@dataclass(frozen=True)
class Table:
    """caption: what it tells. rows: each begins with its heading. left_out: rows that are not here.

    Each dash has a number that leads to its reason in `notes`; `shown` gives them.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    left_out: str = ""
    notes: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        whys = dict.fromkeys(cell.why for row in self.rows for cell in row if cell.why)
        self.notes.extend(whys)

    def note(self, cell: Cell) -> int:
        """The number of the cell's reason, from 1."""
        return self.notes.index(cell.why) + 1


def text(words: object) -> Cell:
    """A label, whatever is in it."""
    return Cell(printed(str(words)))


def number(value: float | None, why: str = "") -> Cell:
    """A count, or a dash with why there is none."""
    if value is None:
        return dash(why)
    return Cell(numbers.count(value), (value,))


def told(count: Count) -> str:
    """A count as it may be told: 12,345, or <5, or 10 to 14."""
    if count.exact:
        return numbers.count(count.low)
    if count.low <= 1:
        return f"<{numbers.count(count.high + 1)}"
    return f"{numbers.count(count.low)} to {numbers.count(count.high)}"


def counted(count: Count) -> Cell:
    """A count as it may be told; it sorts by its middle."""
    if count.exact:
        return number(count.low)
    return Cell(told(count), by=count.middle)


def told_share(count: Count, of: Count) -> str:
    """The share that a count is, as far as both may be told."""
    if not of.low:
        return DASH
    least, most = count.low / of.high, min(count.high / of.low, 1.0)
    if count.exact and of.exact:
        return numbers.percent(least, of.low)
    if count.low <= 1 and count.high:
        return f"<{numbers.percent(min((count.high + 1) / of.low, 1.0), of.low).lstrip('<>')}"
    low, high = numbers.percent(least, of.low), numbers.percent(most, of.low)
    return low if low == high else f"{low} to {high}"


def counted_share(count: Count, of: Count) -> Cell:
    """The same as a cell."""
    if not of.low:
        return dash("there is nothing to have a share of")
    words = told_share(count, of)
    if count.exact and of.exact:
        return Cell(words, (count.low / of.low,))
    return Cell(words, by=count.middle / of.middle)


def measured(value: float | None, why: str = "", digits: int = 3) -> Cell:
    """A measured number with its significant digits."""
    if value is None:
        return dash(why)
    return Cell(numbers.significant(value, digits), (value,))


def hours(value: float | None, why: str = "") -> Cell:
    """A length of time; it sorts by hours and is copied as them."""
    return dash(why) if value is None else Cell(numbers.hours(value), (value,))


def figure(told: Figure, *, signed: bool = False) -> Cell:
    """A figure with its interval."""
    copied = (told.value, told.low, told.high)
    return Cell(numbers.figure(told, signed=signed), copied, why=told.why)


def interval(name: str) -> tuple[str, str, str]:
    """Headings of a copied figure."""
    return (name, "95% low", "95% high")


def dash(why: str) -> Cell:
    """No number, and why."""
    return Cell(DASH, (None,), why=why or "not known")


def plot(drawn: Markup) -> Cell:
    """A plot of the row's numbers."""
    return Cell(plot=drawn)


def first(rows: Iterable[Sequence[Cell]], most: int, what: str) -> tuple[list[Sequence[Cell]], str]:
    """The first rows, and what to say of the others. what: the things that rows are."""
    held = list(rows)
    if len(held) <= most:
        return held, ""
    left = len(held) - most
    return held[:most], f"{left:,} more {what} are in report.json"


def _raw(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.12g}"

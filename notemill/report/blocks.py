"""What a page is made of, one below the other; `page/blocks.html` says how each looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from markupsafe import Markup

from notemill.report.tables import Table


@dataclass(frozen=True)
class Heading:
    """level: 3 or 4, below its section's."""

    text: str
    level: int = 3
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Text:
    """A paragraph. style: `quiet`, `warn` or none; label: stands before it in bold."""

    text: str
    style: str = ""
    label: str = ""
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Facts:
    """Names with their values; those without one are left out."""

    pairs: Sequence[tuple[str, str]]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Shown:
    """A table. folded: it opens with a click, and on paper by itself."""

    table: Table
    folded: str = ""
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Drawing:
    """A chart under its title."""

    title: str
    svg: Markup
    kind: ClassVar[str] = "drawing"


@dataclass(frozen=True)
class Legend:
    """Which mark says what: the dot, then the diamond."""

    words: Sequence[str]
    kind: ClassVar[str] = "legend"


@dataclass(frozen=True)
class Step:
    """A box of a flow: a count with what it is, and what leaves the flow there, likewise."""

    count: str
    what: str
    out: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Flow:
    """Boxes with arrows between them. ends: boxes side by side at the end."""

    steps: Sequence[Step]
    ends: Sequence[Step]
    kind: ClassVar[str] = "flow"


@dataclass(frozen=True)
class Words:
    """A text word for word, in a fold."""

    title: str
    text: str
    opened: bool = False
    kind: ClassVar[str] = "words"


@dataclass(frozen=True)
class Diff:
    """Lines of a unified diff."""

    title: str
    lines: Sequence[str]
    kind: ClassVar[str] = "diff"


@dataclass(frozen=True)
class Paste:
    """Paragraphs to paste into a paper: (title, text)."""

    name: str
    paragraphs: Sequence[tuple[str, str]]
    kind: ClassVar[str] = "paste"


Block = Heading | Text | Facts | Shown | Drawing | Legend | Flow | Words | Diff | Paste


def left(number: int) -> list[Block]:
    """What to say of so many things that the page has no room for."""
    return [Text(f"{number:,} more are in report.json.", "quiet")] if number else []


@dataclass(frozen=True)
class Section:
    """A part of the page with its own heading; empty ones are not shown."""

    title: str
    blocks: list[Block] = field(default_factory=list)

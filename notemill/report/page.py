"""The page: one file that needs no network and no program but a browser."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from notemill.files import written_whole
from notemill.look.page import csp_hash
from notemill.look.words import printed
from notemill.report.blocks import Heading, Section
from notemill.report.charts.forest import Forests
from notemill.report.numbers import when
from notemill.report.record import Report
from notemill.report.sections.answers import answers_section
from notemill.report.sections.asked import asked_section
from notemill.report.sections.audit import audit_section
from notemill.report.sections.closing import closing_sections
from notemill.report.sections.comparison import comparison_section, repeat_section
from notemill.report.sections.evaluation import evaluation_section
from notemill.report.sections.headline import headline
from notemill.report.sections.notes import notes_section
from notemill.report.sections.work import work_section

LARGEST = 2_000_000
"""Bytes of a page; a run with more to tell has its longest tables cut, and all in report.json."""
_ROOM = ((400, 60), (60, 12), (12, 6), (6, 2))
"""Rows that a table may have, and experiments with tables of their own: tried in this order."""


def write_page(path: Path, report: Report) -> None:
    """Write the page, mode 0600, below 2 MB unless what was asked alone is longer."""
    html: bytes | None = None
    for most, details in _ROOM:
        html = html or _page(report, most, details, LARGEST)
    with written_whole(path) as partial:
        partial.write_bytes(html or _page(report, *_ROOM[-1], None) or b"")


def _page(report: Report, most: int, details: int, largest: int | None) -> bytes | None:
    """The page's bytes; None as soon as they are more than `largest`."""
    style, script = _part("page.css"), _part("page.js")
    pieces = _template().generate(
        report=report,
        title=printed(report.title),
        made_at=f"{when(report.made_at)} UTC",
        headline=headline(report),
        sections=[each for each in _sections(report, most, details) if each.blocks],
        headings=_headings,
        libraries=", ".join(f"{name} {version}" for name, version in report.libraries.items()),
        # Ours, and held to their hashes by the browser.
        style=Markup(style),
        script=Markup(script),
        style_hash=csp_hash(style),
        script_hash=csp_hash(script),
    )
    page = bytearray()
    for piece in pieces:
        page += piece.encode("utf-8", errors="replace")
        if largest is not None and len(page) > largest:
            return None
    return bytes(page)


def _sections(report: Report, most: int, details: int) -> list[Section]:
    forests = Forests(most, details)
    return [
        notes_section(report),
        asked_section(report),
        work_section(report, most),
        answers_section(report, most, details),
        evaluation_section(report, forests),
        audit_section(report, forests),
        comparison_section(report, forests),
        repeat_section(report, forests),
        *closing_sections(report),
    ]


def _headings(section: Section) -> list[tuple[int, str]]:
    """Those of the third level with their places, for the contents."""
    return [
        (place, block.text)
        for place, block in enumerate(section.blocks, 1)
        if isinstance(block, Heading) and block.level == 3
    ]


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("notemill.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


@cache
def _part(name: str) -> str:
    environment = _template().environment
    assert environment.loader
    return environment.loader.get_source(environment, name)[0]

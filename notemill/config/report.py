"""`report`: what the report of a run may tell."""

from __future__ import annotations

from pydantic import Field

from notemill.config.base import Section


class ReportSection(Section):
    """What the report may tell."""

    smallest_cell: int = Field(
        5,
        ge=0,
        le=1000,
        description="Counts of notes by what they say or who they are, from 1 to below this, are "
        "not told in report.html and report.json; 0 or 1 tells all.",
    )
    title: str = Field(
        "", max_length=200, description="The report's title; empty makes one of the names."
    )

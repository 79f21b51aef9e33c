"""A gate of patterns, as task.yaml has it: which notes are asked, and which sections of them.

Python's `re`, whatever the case, with ^ and $ at each line; a heading's case counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from notemill.config.base import Section

RULE_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
NONE_FOUND = "ask_if"
"""The rule of a note in which nothing of `ask_if` is found."""
SECTIONS = "sections"
"""The rule of a note that is cut to its sections, where `ask_if` names none."""
_CAPITALS = "A-ZÀ-ÖØ-Þ"
HEADING = rf"^[ \t]*([{_CAPITALS}][{_CAPITALS}0-9 /&,()'’-]{{2,59}}?)[ \t]*(?::|\r?$)"
"""A line's beginning in capitals before a colon, or a whole line."""

Range = tuple[int, int]
"""Code points of a text, from the first up to, and without, the last."""


def _compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags | re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern does not compile: {error}") from None


def _of_text(pattern: str) -> str:
    if "\b" in pattern:
        raise ValueError(
            r'it holds a backspace: "\b" within double quotes is one for YAML; use single quotes'
        )
    if _compiled(pattern, re.IGNORECASE).search(""):
        raise ValueError("the pattern is found in an empty text, and so in every note")
    return pattern


def _of_heading(pattern: str) -> str:
    if _compiled(pattern).search(""):
        raise ValueError("the pattern is found in an empty text")
    return pattern


def _rule(name: str) -> str:
    if name in (NONE_FOUND, SECTIONS):
        raise ValueError(f"'{name}' is what notemill itself calls a rule")
    return name


Rule = Annotated[str, StringConstraints(pattern=RULE_PATTERN, strict=True), AfterValidator(_rule)]
_Pattern = Annotated[str, StringConstraints(min_length=1, strict=True), AfterValidator(_of_text)]
_Heading = Annotated[str, StringConstraints(min_length=1, strict=True), AfterValidator(_of_heading)]
_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Sections(Section):
    """Which sections of a note are sent. keep: their headings, in any case; heading: a pattern for
    the beginning of every section, whose first group, if it has one, is the heading."""

    keep: list[_Words] = Field(min_length=1)
    heading: _Heading = HEADING


class Patterns(Section):
    """`gate` of task.yaml. Patterns by their rules' names; settled_as: fields of the answer that an
    evaluation and an audit take a settled note for, no part of what is asked."""

    settle_if: dict[Rule, _Pattern] = Field(default_factory=dict)
    ask_if: dict[Rule, _Pattern] = Field(default_factory=dict)
    sections: Sections | None = None
    settled_as: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_meaning(self) -> Patterns:
        if both := self.settle_if.keys() & self.ask_if.keys():
            raise ValueError(f"'{min(both)}' is a rule of settle_if and of ask_if")
        return self

    @property
    def has_rules(self) -> bool:
        """Whether it does anything with a note."""
        return bool(self.settle_if or self.ask_if or self.sections)

    @property
    def identity(self) -> dict[str, Any]:
        """What of it can change what is asked, the rules in their order."""
        return {
            "settle_if": list(self.settle_if.items()),
            "ask_if": list(self.ask_if.items()),
            "sections": self.sections and self.sections.model_dump(),
        }

    @property
    def rules(self) -> tuple[str, ...]:
        """All that a row may name."""
        none_found = [NONE_FOUND] if self.ask_if else []
        sections = [SECTIONS] if self.sections and not self.ask_if else []
        return (*self.settle_if, *self.ask_if, *none_found, *sections)

    def judged(self, text: str, at: Callable[[str], None]) -> tuple[str, list[Range] | None]:
        """The rule that a text comes under, empty if none, and what of it is sent: None for all.

        at: told of each rule before its pattern is looked for.
        """
        settling, asking = self._compiled
        for rule, pattern in settling:
            at(rule)
            if pattern.search(text):
                return rule, []
        asked = ""
        for rule, pattern in asking:
            at(rule)
            if pattern.search(text):
                asked = rule
                break
        if asking and not asked:
            return NONE_FOUND, []
        if self.sections is None:
            return asked, None
        at(SECTIONS)
        kept = self.kept(text)
        return (asked, None) if kept is None else (asked or SECTIONS, kept)

    def kept(self, text: str) -> list[Range] | None:
        """What is sent of a text that is asked, None for all."""
        if self.sections is None:
            return None
        kept = list(self._kept(text))
        return None if not kept or kept == [(0, len(text))] else kept

    @cached_property
    def _compiled(self) -> list[list[tuple[str, re.Pattern[str]]]]:
        return [
            [(rule, _compiled(pattern, re.IGNORECASE)) for rule, pattern in rules.items()]
            for rules in (self.settle_if, self.ask_if)
        ]

    @cached_property
    def _sections(self) -> tuple[re.Pattern[str], frozenset[str]]:
        assert self.sections
        return _compiled(self.sections.heading), frozenset(map(_alike, self.sections.keep))

    def _kept(self, text: str) -> Iterator[Range]:
        """The sections to keep, neighbours as one; a section ends where the next one begins."""
        heading, keep = self._sections
        start: int | None = None
        for found in heading.finditer(text):
            name = found[1] if heading.groups else found[0]
            if _alike(name or "") in keep:
                start = found.start() if start is None else start
            elif start is not None:
                yield start, found.start()
                start = None
        if start is not None:
            yield start, len(text)


def _alike(heading: str) -> str:
    return " ".join(heading.split()).strip(" :").casefold()

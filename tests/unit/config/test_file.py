"""config/config.yaml as a manual: every key is in it, and what it shows as a default is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from pydantic.fields import FieldInfo

from notemill.config import Config, read_config
from notemill.config.base import Section

FILE = Path(__file__).parents[3] / "config" / "config.yaml"
COMMENTED_KEY = re.compile(r"^( *)# ( *[a-z_]+:(?: .*)?)$")
EXAMPLE = re.compile(r" # example\b")
INSTEAD = re.compile(r" # instead of\b")
"""A key that can't be set beside another one."""


@dataclass(frozen=True)
class Shown:
    """A key as the file shows it. path: its place, 'database.tls.ca'; line counts from one."""

    path: str
    line: int
    commented: bool
    example: bool
    instead: bool = False


def uncommented(text: str) -> str:
    """The file with every key that is commented out in its place."""
    return "\n".join(COMMENTED_KEY.sub(r"\1\2", line) for line in text.splitlines())


def keys_of(text: str) -> list[Shown]:
    """Every key of the file, those that are commented out too."""
    lines = text.splitlines()

    def below(node: yaml.MappingNode, place: str) -> Iterator[Shown]:
        for key, value in node.value:
            path, number = f"{place}.{key.value}".lstrip("."), key.start_mark.line
            commented = COMMENTED_KEY.match(lines[number]) is not None
            example = commented and EXAMPLE.search(lines[number]) is not None
            instead = commented and INSTEAD.search(lines[number]) is not None
            yield Shown(path, number + 1, commented, example, instead)
            if isinstance(value, yaml.MappingNode):
                yield from below(value, path)

    root = yaml.compose(uncommented(text))
    return list(below(cast(yaml.MappingNode, root), ""))


@cache
def manual() -> Config:
    """The configuration with every key that is commented out in force."""
    lines = [line for line in FILE.read_text().splitlines() if not INSTEAD.search(line)]
    return read_config(yaml.safe_load(uncommented("\n".join(lines))))


def field(config: Config, path: str) -> tuple[FieldInfo, Any] | None:
    """The field at a path and its value there, None for a name that the user chooses."""
    *sections, key = path.split(".")
    place: Any = config
    for section in sections:
        place = place[section] if isinstance(place, dict) else getattr(place, section)
    return None if isinstance(place, dict) else (type(place).model_fields[key], getattr(place, key))


KEYS = keys_of(FILE.read_text())
DEFAULTS = [key for key in KEYS if key.commented and not key.example and not key.instead]


@pytest.mark.parametrize("key", DEFAULTS, ids=[key.path for key in DEFAULTS])
def test_what_is_commented_out_is_the_default(key: Shown) -> None:
    info, shown = field(manual(), key.path) or pytest.fail("only examples have names")
    assert not info.is_required()
    assert shown == info.get_default(call_default_factory=True), f"line {key.line}"


def test_an_example_is_no_default() -> None:
    for key in KEYS:
        if key.example and (found := field(manual(), key.path)):
            info, shown = found
            assert shown != info.get_default(call_default_factory=True), key.path


def sections(value: Any, place: str = "") -> Iterator[tuple[str, Section]]:
    """Every section of a configuration with its path."""
    if isinstance(value, Section):
        yield place, value
        inner = [(name, getattr(value, name)) for name in type(value).model_fields]
    else:
        inner = list(value.items()) if isinstance(value, dict) else []
    for name, entry in inner:
        yield from sections(entry, f"{place}.{name}".lstrip("."))


def test_every_key_is_in_the_file() -> None:
    shown = {key.path for key in KEYS}
    for place, section in sections(manual()):
        if place.endswith("runner_options"):
            continue  # Ollama's own, named in docs/engines.md
        for name in type(section).model_fields.keys() - {"together"}:  # not written
            assert f"{place}.{name}".lstrip(".") in shown


def test_keys_are_found_at_their_places_and_prose_is_none() -> None:
    text = "a:\n  # b: 1\n  # c:    # example\n  #   d: 2\n  # prose, such as x: y\n  e: 3"
    assert [(key.path, key.commented, key.example) for key in keys_of(text)] == [
        ("a", False, False),
        ("a.b", True, False),
        ("a.c", True, True),
        ("a.c.d", True, False),
        ("a.e", False, False),
    ]

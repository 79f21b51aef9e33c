"""What a release names in several places: its version and its day."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from notemill import __version__

ROOT = Path(__file__).parents[2]


def test_changelog_and_citation_name_the_released_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\](?: - (.+))?$", changelog, re.MULTILINE)
    unreleased, (version, day), *_ = headings
    assert unreleased == ("Unreleased", "")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert version == citation["version"] == __version__
    assert day == str(citation["date-released"])

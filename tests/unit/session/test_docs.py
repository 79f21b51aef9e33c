"""docs/session.md: its code, run block by block, says what the page says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.unit.session.conftest import REPOSITORY, servers

PAGE = (REPOSITORY / "docs" / "session.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ID = re.compile(r"pneumonia-[0-9a-f]{12}")
"""Another Pydantic may write another JSON schema."""


def test_the_page_does_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    (tmp_path / "models").symlink_to(REPOSITORY / "models")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})  # threads of a model this small wait
    names: dict[str, Any] = {}
    shown = 0
    for language, text in BLOCK.findall(PAGE):
        if language == "python":
            exec(compile(text, "session.md", "exec"), names)
            output = capsys.readouterr().out
        else:
            assert ID.sub("ID", output) == ID.sub("ID", text)
            shown += 1
    assert shown == 4
    assert not servers()
    assert not list((tmp_path / "demo" / "work" / "results").rglob("*.log"))

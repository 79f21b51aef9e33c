"""Notes of one letter or one token, with the shipped model and its real tokenizer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.chat import TASKS
from tests.servers.shard_site import ShardSite

TINY = Path(__file__).parents[3] / "models" / "notemill-tiny.gguf"
SHORT = ["r", "7", ".", "no", "s", ")", "x", "I", "-", "ok", "Clear", "\u00e9", "s.", " r", "r\n"]


@pytest.mark.parametrize(
    "end", ["Note:\n", "Note: ", "Note:", "See (", "Are the lungs clea", "Is it in the lung"]
)
def test_the_shortest_note_is_no_servers_error_whatever_the_prompt_ends_in(
    tmp_path: Path, end: str
) -> None:
    shutil.copytree(TASKS / "pneumonia", tmp_path / "tasks" / "pneumonia")
    (tmp_path / "tasks" / "pneumonia" / "user.md").write_text(f"Read this.\n{end}{{note}}\n")
    engine = {"kind": "llamacpp", "weights": str(TINY), "slots": 2}
    options = {"num_ctx": 512, "num_predict": 200}
    experiment = {"model": "notemill-tiny", "options": options, "attempts": 1}
    site = ShardSite(tmp_path, SHORT, engine, experiment, tasks=tmp_path / "tasks")
    rows = site.answer()
    assert "server_error" not in {row["status"] for row in rows}

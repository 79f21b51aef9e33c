"""Classes of length with a real engine: the same rows, and a context that is its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import EMBEDDED, NOTES, experiment
from tests.servers.shard_site import ShardSite
from tests.workflow.project import REPOSITORY

LONG = "\n".join(note.text for note in NOTES[20:24])
LONGER = "\n".join(note.text for note in NOTES[24:60])
TEXTS = [*(note.text for note in NOTES[:10]), LONG, LONGER, NOTES[0].text]
OF_A_RUN = ("answered_at", "seconds")


def rows(folder: Path, **engine: Any) -> list[dict[str, Any]]:
    folder.mkdir()
    site = ShardSite(
        folder,
        TEXTS,
        EMBEDDED | engine,
        experiment("pneumonia") | {"max_failed_share": 1},
        tasks=REPOSITORY / "config" / "tasks",
    )
    return [{k: v for k, v in row.items() if not k.endswith(OF_A_RUN)} for row in site.answer()]


def test_a_real_engines_rows_are_the_same_with_and_without_classes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alone = rows(tmp_path / "alone")
    caplog.clear()
    caplog.set_level("INFO", logger="notemill")
    assert rows(tmp_path / "classes", classes=[640]) == alone
    told = re.findall(r"(\d+) texts with (\d+) tokens of context", caplog.text)
    assert [context for _, context in told] == ["640", "1024"]
    assert int(told[0][0]) >= 8
    assert [row["status"] for row in alone].count("too_long") == 1


def test_ollama_gets_the_context_of_the_class_in_its_environment_and_every_request(
    tmp_path: Path,
) -> None:
    site = ShardSite(
        tmp_path,
        [f"Clear lungs, {number}." for number in range(6)] + ["Clear lungs. " * 150],
        {"classes": [512], "slots": 2, "environment": {}},
        {"options": {"num_ctx": 1024, "num_predict": 64}},
    )
    asked = tmp_path / "asked.jsonl"
    journal = {"STANDIN_ERA": "middle", "STANDIN_JOURNAL": str(asked)}
    site.engine["environment"] = journal
    rows = site.answer()
    assert [row["status"] for row in rows].count("answered") == len(rows) == 7
    notes = [json.loads(line) for line in asked.read_text().splitlines()]
    of_each = {json.dumps(each["options"].get("num_ctx")) for each in notes if each.get("options")}
    assert of_each == {"512", "1024"}
    contexts = [each["options"]["num_ctx"] for each in notes if each.get("options")]
    assert contexts == sorted(contexts), "one engine after the other, none is loaded anew"

"""docs/paper.md, done word for word on the demo: run, report, audit, and the report again."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.workflow.pages import BLOCK, copied, page, run
from tests.workflow.project import REPOSITORY

FEWER = {"--texts 120": "--texts 45"}
STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


def test_the_way_to_a_paper_does_what_it_shows(tmp_path: Path) -> None:
    """On fewer notes. Figures may be others; the audit's are in the second report."""
    clone = copied(tmp_path / "clone")
    database = clone / "demo" / "database.py"
    database.write_text(database.read_text().replace("NOTES = 300", "NOTES = 100"))
    demo = (REPOSITORY / "config" / "demo.yaml").read_text()
    report = clone / "demo" / "work" / "results" / "report" / "report.json"
    output = ""
    audits = []
    for language, text in BLOCK.findall(page("paper.md")):
        match language:
            case "yaml":
                assert all(part.strip() in demo for part in text.split("\n\n"))
            case "python":
                (clone / "fill.py").write_text(text)
            case "bash":
                for words, fewer in FEWER.items():
                    text = text.replace(words, fewer)
                output = run(text, clone)
                if report.exists():
                    audits.append(len(json.loads(report.read_text())["audits"]))
            case "text":
                for line in text.splitlines():
                    assert re.search(shown(line), output), f"{line}\n{output}"
    assert audits[0] == 0
    assert audits[-1] == 1


def shown(line: str) -> str:
    """A pattern of a line that the page shows, whatever its numbers and its time are."""
    words = re.escape(STAMP.sub("", line).removesuffix("…").strip())
    return re.sub(r"\d+", r"\\d+", words)

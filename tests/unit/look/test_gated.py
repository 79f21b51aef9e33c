"""What a page shows of a gate: what was not sent, by which rule, and what was settled."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from notemill.look.page import write_page
from notemill.tasks.evidence import Evidence
from notemill.tasks.gate import Gated
from tests.unit.look.pages import ABOUT, entry

NOTE = "OLD: a dry cough today.\nPLAN: rest & water, no smoking at all."


def test_what_was_not_sent_is_struck_through_and_nothing_of_it_is_marked(tmp_path: Path) -> None:
    about = replace(ABOUT, gated=True, evidence=Evidence(field="reason"))
    start = NOTE.index("PLAN")
    cut = entry(NOTE, reason="rest & water, no smoking")
    gone = entry(NOTE, reason="a dry cough today")
    gated = Gated("plan", ((start, len(NOTE)),))
    settled = entry("An ankle.", "not_relevant")
    entries = [
        replace(settled, gated=Gated("ask_if", ())),
        *(replace(each, gated=gated) for each in (cut, gone)),
    ]
    write_page(tmp_path / "page.html", about, entries)
    html = (tmp_path / "page.html").read_text()
    assert html.count("<s>OLD: a dry cough today.\n</s>PLAN: ") == 2
    assert re.findall("<mark[^>]*>(.*?)</mark>", html) == ["rest &amp; water, no smoking"]
    assert f"gate: plan, {(len(NOTE) - start) / len(NOTE):.0%} of it was sent" in html
    assert "gate: ask_if" in html
    # Failures come first, what was settled last.
    assert html.index("An ankle.") > html.index("OLD: ")
    assert "settled by the task" in html
    assert 'class="failed"' not in html

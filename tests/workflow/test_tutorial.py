"""docs/tutorial.md, done word for word: the files it shows and the commands it gives."""

from __future__ import annotations

import re
from pathlib import Path

from tests.workflow.pages import BLOCK, copied, page, run
from tests.workflow.project import job_table

NAMED = re.compile(r"`(study/[\w./]+)`[^`]*$")
"""A file's block follows the paragraph in which its path stands last."""
SAME = re.compile(r"^(?:Nothing to be done|\(\d+, ).*", re.MULTILINE)
"""Lines of shown output that fewer notes do not change: the two failures, for one."""
FEWER = {"draw(198, seed=11)": "draw(3, seed=11)", "    shards: 2\n": "    shards: 1\n"}


def test_the_tutorial_does_what_it_shows(tmp_path: Path) -> None:
    """On fewer notes. Plans that the page shows have the rules that come."""
    tutorial = page("tutorial.md")
    for words, fewer in FEWER.items():
        assert words in tutorial
        tutorial = tutorial.replace(words, fewer)
    clone = copied(tmp_path / "clone", "demo")
    output = ""
    plans = 0
    for number, block in enumerate(BLOCK.finditer(tutorial)):
        language, text = block.groups()
        named = NAMED.search(tutorial[: block.start()].rstrip())
        if language == "text":
            if shown := job_table(text):
                assert job_table(output).keys() == shown.keys(), output
                plans += 1
            for line in SAME.findall(text):
                assert line in output
        elif language == "bash":
            if number:  # the first one installs what runs this test
                output = run(text, clone)
        else:
            assert named, f"no file is named for this block:\n{text}"
            (clone / named[1]).write_text(text)
    assert plans >= 3
    summary = run("python -m notemill summary -d study", clone)
    assert re.search(r"answered +│ +3 ", summary), summary
    assert "5 of 5" in summary

"""A node's clock that is set forward by an hour and back while a job works (libfaketime)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.nodes import python, run, shim
from tests.servers.debian import CLOCK, require
from tests.unit.engines.waiting import until

NOTES = 60
JOB = f"""
import json, sys
from pathlib import Path
from notemill.answers.job import answer_shards
from tests.servers.shard_site import ShardSite
slow = [{{"fault": "slow", "value": 0.05, "match": "Note"}}]
site = ShardSite(Path(sys.argv[1]), [f"Note {{n}}." for n in range({NOTES})], faults=slow)
site.engine = {{"answer_timeout_s": 5}}
origin = answer_shards([site.job()])[0]
from notemill.answers.live import read_live
from notemill.paths import live
told = read_live(live(site.job().output))
print(json.dumps({{
    "asked": origin.asked, "seconds": origin.seconds, "jobs": origin.jobs,
    "history": sum(texts for _, texts in told.history.spans), "state": told.state,
    "rate": told.texts_per_s,
    "rows": [[row["status"], row["attempts"], row["seconds"]] for row in site.answer()],
    "requests": sum(request["options"]["num_predict"] == 128 for request in site.asked()),
}}))
"""
AFTERWARDS = """
import os, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from notemill.answers.verdict import Status
from notemill.counts import Counts
from notemill.endpoints.ending import Ending
from notemill.leftovers import clear, temporary_folder

def step(offset):
    Path(os.environ["FAKETIME_TIMESTAMP_FILE"]).write_text(offset)

before = datetime.now(UTC)
counts, draining, limited = Counts(), Ending(None), Ending(before + timedelta(hours=1))
draining.begin("SIGTERM", timedelta(minutes=5))
limited.begin("SIGUSR1")
with temporary_folder("home") as folder:
    step("+2h")
    assert datetime.now(UTC) - before > timedelta(hours=1)
    assert not draining.past and not limited.past
    clear(folder.parent)
    step("-2h")
    assert before - datetime.now(UTC) > timedelta(hours=1)
    clear(folder.parent)
    assert folder.exists()
counts.end(Status.ANSWERED)
assert 0 <= counts.first_s < 600, counts.first_s
draining.begin("SIGTERM", timedelta())
assert draining.past
"""


@pytest.fixture
def clock(tmp_path: Path) -> tuple[dict[str, str], Callable[[str], object]]:
    """An environment with a clock of its own, and what sets that: `+1h`."""
    require(CLOCK)
    setting = tmp_path / "clock"
    setting.write_text("+0")
    (faketime,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    environment = {
        **os.environ,
        "LD_PRELOAD": f"{shim(tmp_path)}:{faketime}",
        "FAKETIME_TIMESTAMP_FILE": str(setting),
        "FAKETIME_NO_CACHE": "1",
        # A clock that is set is the wall's; what counts since the boot and files' own times go on.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "TMPDIR": str(tmp_path),
    }
    return environment, setting.write_text


def test_each_note_is_asked_once_and_every_count_is_right(
    tmp_path: Path, clock: tuple[dict[str, str], Callable[[str], object]]
) -> None:
    environment, set_to = clock
    site = tmp_path / "site"
    site.mkdir()
    with subprocess.Popen(python(JOB, site), env=environment, stdout=subprocess.PIPE) as job:
        for answered, offset in ((10, "+1h"), (25, "-1h"), (40, "+0")):
            until(lambda answered=answered: answers_in(site) >= answered)
            set_to(offset)
        told = json.loads(job.communicate()[0])
    days = {line["answered_at"][:13] for line in journal(site) if "text" in line}
    assert len(days) >= 3  # the job's clock was set indeed
    assert [row[:2] for row in told["rows"]] == [["answered", 1]] * NOTES
    assert all(0 < row[2] < 60 for row in told["rows"])
    assert (told["asked"], told["requests"], told["jobs"]) == (NOTES, NOTES, 1)
    assert 0 < told["seconds"] < 600
    assert (told["history"], told["state"]) == (NOTES, "done")
    assert told["rate"] >= 0
    spent = [line["spent"] for line in journal(site) if "spent" in line]
    assert all(0 <= each["seconds"] < 600 for each in spent)
    assert max(each["asked"] for each in spent) == NOTES


def test_no_drain_ends_early_and_no_living_process_folder_is_cleared(
    clock: tuple[dict[str, str], Callable[[str], object]],
) -> None:
    done = run(python(AFTERWARDS), clock[0])
    assert done.returncode == 0, done.stderr


def journal(site: Path) -> list[dict[str, object]]:
    """Its whole lines, as far as they are written."""
    answers = site / "results" / "answers"
    lines = [path.read_text().splitlines() for path in answers.rglob("*.journal.jsonl")]
    return [json.loads(line) for each in lines for line in each if line.endswith("}")]


def answers_in(site: Path) -> int:
    return sum("text" in line for line in journal(site))

"""Answer jobs at real servers that live on: one is killed, one drains, others come late."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest
import yaml

import notemill
from notemill.answers.job import answer_shards
from notemill.answers.live import read_live
from notemill.endpoints.publication import published
from notemill.errors import EngineRefused, NotemillError
from notemill.paths import journal, live
from tests.oracle import NOTES, WEIGHTS
from tests.processes import below
from tests.servers.beside import beside
from tests.servers.shard_site import ShardSite
from tests.workflow.project import REPOSITORY

TEXTS = list(dict.fromkeys(note.text for note in NOTES))[:60]


class Site(ShardSite):
    """A shard, and servers of the embedded engine that publish themselves in `folder`/pool."""

    @classmethod
    def at(cls, folder: Path, **engine: object) -> Site:
        given = {
            "kind": "llamacpp",
            "weights": str(WEIGHTS),
            "slots": 2,
            "gpu": "off",
            "endpoints": str(folder / "pool"),
        }
        asked = {"model": "notemill-tiny", "options": {"num_ctx": 1024, "num_predict": 200}}
        return cls(folder, TEXTS, engine=given | engine, experiment=asked)

    @property
    def pool(self) -> Path:
        return self.folder / "pool"

    @contextmanager
    def server(self, *options: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """A server of its own, being started; ended at the end."""
        place = self.folder / "config.yaml"
        place.write_text(yaml.safe_dump(self.config.model_dump(mode="json", exclude_unset=True)))
        command = [sys.executable, "-m", "notemill", "serve", "engine", "--configfile", str(place)]
        command += ["--host", "127.0.0.1", "--threads", "1", *options]
        with (self.folder / f"{name}.out").open("wb") as out:
            environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
            server = subprocess.Popen(
                command, stdout=out, stderr=out, cwd=self.folder, env=environment
            )
        try:
            yield server
        finally:
            for each in below(server.pid):
                _kill(each)
            server.kill()
            server.wait()

    def published(self) -> list[str]:
        try:
            return [each.name for each in published(self.pool).endpoints]
        except NotemillError:
            return []

    def wait(self, servers: int) -> None:
        until(lambda: len(self.published()) >= servers, self)

    def journaled(self) -> list[str]:
        """Hashes of the texts that were answered, in order, as the journal has them."""
        place = journal(self.layout.answers("cohort", self.run_id, "cut-0001", "0000"))
        if not place.exists():
            return []
        lines = place.read_text().splitlines(keepends=True)
        read = [json.loads(line) for line in lines if line.endswith("\n")]
        return [each["text"] for each in read if "text" in each]

    run_id = ""


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        process.kill()


def until(condition: Callable[[], bool], site: Site, *, limit_s: float = 200) -> None:
    """No time is asserted: the limit is for a test that is broken."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(
                "\n".join(each.read_text()[-2000:] for each in site.folder.glob("*.out"))
            )
        time.sleep(0.05)


def test_four_servers_one_killed_one_draining_two_late(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site = Site.at(tmp_path)
    job = site.job()
    site.run_id = job.run.experiment_id
    with site.server(name="killed") as killed, site.server(name="drains") as drains:
        site.wait(2)

        def meanwhile(over: threading.Event) -> None:
            until(lambda: len(site.journaled()) >= 8, site)
            for process in [psutil.Process(killed.pid), *below(killed.pid)]:
                _kill(process)
            until(lambda: len(site.journaled()) >= 16, site)
            drains.send_signal(signal.SIGUSR1)
            with site.server(name="late"), site.server(name="later"):
                over.wait(500)

        with beside(meanwhile):
            (origin,) = answer_shards([job])
        assert drains.wait(60) == 0, "it did not end when it had drained"
    assert (origin.texts, origin.failed) == (60, 0)
    assert Counter(site.journaled()).most_common(1)[0][1] == 1
    assert len(site.journaled()) == 60
    assert origin.asked == 60, "an answered one was asked again"
    rows = pq.read_table(job.output).to_pylist()
    assert {row["engine"].partition(" (")[0] for row in rows} == {"llama.cpp"}
    assert "is gone and cools down" in caplog.text
    assert "takes nothing new" in caplog.text
    state = read_live(live(job.output))
    assert state
    assert (state.gpu, state.slots) == ("address", 2)


def test_a_session_asks_a_pool_and_a_wrong_key_is_one_message(tmp_path: Path) -> None:
    site = Site.at(tmp_path)
    with site.server(name="one"):
        site.wait(1)
        notes = pd.DataFrame({"note_text": TEXTS[:4]})
        place = tmp_path / "config.yaml"
        with notemill.Session(place, experiment="pneumonia", progress=False) as session:
            assert list(session.ask(notes)["status"]) == ["answered"] * 4
        (one,) = published(site.pool).endpoints
        key = tmp_path / "key"
        key.touch(mode=0o600)
        key.write_text("another-key-than-the-server-asks-for")
        address = one.endpoint.address + "/v1"
        (tmp_path / "listed").mkdir()
        listed = Site.at(tmp_path / "listed", endpoints=[address], api_key_file=str(key))
        with pytest.raises(EngineRefused, match="refuses the key"):
            answer_shards([listed.job()])
        key.write_text(one.token)
        (origin,) = answer_shards([listed.job()])
        assert origin.failed == 0

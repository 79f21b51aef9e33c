"""Servers that live on with a real Ollama, where there is one: asked through the guard, drained."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from notemill.answers.job import answer_shards
from tests.oracle import NOTES
from tests.servers.beside import beside
from tests.servers.real_ollama import TINY_EXPERIMENT, tiny_ollama
from tests.servers.test_pool import Site, until

RIGHT = {note.text: note.answers["pneumonia"].response for note in NOTES}
TEXTS = list(RIGHT)[:24]


def test_a_real_ollama_is_published_asked_drained_and_ended(
    tmp_path: Path, real_ollama: Path
) -> None:
    own = {"kind": "ollama", "slots": 2, "gpu": "off", "endpoints": str(tmp_path / "pool")}
    engine = tiny_ollama(real_ollama, tmp_path) | own
    site = Site(tmp_path, TEXTS, engine=engine, experiment=TINY_EXPERIMENT)
    job = site.job()
    site.run_id = job.run.experiment_id
    with site.server(name="drains") as drains, site.server(name="stays") as stays:
        site.wait(2)
        theirs = psutil.Process(drains.pid).children(recursive=True)
        assert theirs

        def drain(_: threading.Event) -> None:
            until(lambda: len(site.journaled()) >= 4, site)
            drains.send_signal(signal.SIGUSR1)
            assert drains.wait(60) == 0

        with beside(drain):
            (origin,) = answer_shards([job])
        assert not any(each.is_running() for each in theirs), "its Ollama lives on"
        assert len(site.published()) == 1
        stays.send_signal(signal.SIGTERM)
        assert stays.wait(60) == 0
    assert site.published() == [] and not list(site.pool.iterdir())
    assert (origin.texts, origin.failed, origin.asked) == (24, 0, 24)
    rows = pq.read_table(job.output).to_pylist()
    assert Counter(row["status"] for row in rows) == {"answered": 24}
    right = sum(row["llm_response"] == RIGHT[TEXTS[int(row["id"]) - 1]] for row in rows)
    assert right >= 18, "prompts that come through a guard are whole"

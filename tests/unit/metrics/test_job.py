"""notemill.metrics.job: what others see of a job, and that the job does not care."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from notemill.answers.verdict import STATUSES
from notemill.config import MetricsSection
from notemill.counts import Counts
from notemill.engines.own_metrics import NoMetrics
from notemill.metrics import showing
from notemill.metrics.job import watched
from notemill.metrics.target import Target, TargetFile
from notemill.paths import Layout
from tests.servers.daemon import wait_until

TOKEN = "0123456789abcdef"


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "_LOOKED_EVERY_S", 0.01)
    monkeypatch.setenv("SLURM_JOB_ID", "42")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "results").mkdir()
    return Layout(tmp_path / "results")


@pytest.fixture
def counts() -> Counts:
    return Counts("chest", "cough-0123456789ab", "0003", STATUSES, texts=10, slots=4)


def section(folder: Path, token: str = TOKEN, **given: Any) -> MetricsSection:
    (folder / "token").touch(mode=0o600)
    (folder / "token").write_text(token)
    return MetricsSection.model_validate({"token_file": folder / "token", **given})


def published(layout: Layout) -> list[dict[str, Any]]:
    """What Prometheus is told of the job, once it is."""
    eventually(lambda: bool(list(layout.metrics_targets.glob("*.json"))))
    (path,) = layout.metrics_targets.glob("*.json")
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def eventually(so: Callable[[], bool]) -> None:
    wait_until(so, 60, "it did not come about")


def scraped(target: dict[str, Any], token: str = TOKEN, accept: str = "") -> httpx.Response:
    (address,) = target["targets"]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(
        f"http://{address}{target['labels']['__metrics_path__']}",
        headers=headers | ({"Accept": accept} if accept else {}),
        trust_env=False,
    )


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Values by name and those labels that are not the job's own."""
    whose = {"cohort", "experiment", "shard", "host", "slurm_job"}
    return {
        (sample.name, frozenset((k, v) for k, v in sample.labels.items() if k not in whose)): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_scrape_says_what_was_counted_until_then(layout: Layout, counts: Counts) -> None:
    with watched(MetricsSection(), layout, [counts]):
        (target,) = published(layout)
        labels = target["labels"]
        assert (labels["cohort"], labels["shard"], labels["slurm_job"]) == ("chest", "0003", "42")
        counts.end("answered")
        counts.end("schema")
        counts.in_flight = 5
        counts.requests.add(0.25)
        counts.requests.add(1e6)
        said = samples(scraped(target, token="").text)
        assert said["notemill_texts_total", frozenset({("status", "answered")})] == 1
        assert said["notemill_texts_total", frozenset({("status", "timeout")})] == 0
        assert said["notemill_slots_in_use", frozenset()] == 4
        buckets = "notemill_request_duration_seconds_bucket"
        assert [said[buckets, frozenset({("le", le)})] for le in ("0.1", "0.25", "+Inf")] == [
            0,
            1,
            2,
        ]
        counts.end("answered")
        said = samples(scraped(target, token="").text)
        assert said["notemill_texts_total", frozenset({("status", "answered")})] == 2
        assert said["notemill_shard_done_texts", frozenset()] == 3


def test_newer_scrapers_get_their_own_format(layout: Layout, counts: Counts) -> None:
    with watched(MetricsSection(), layout, [counts]):
        (target,) = published(layout)
        reply = scraped(target, accept="application/openmetrics-text; version=1.0.0")
        assert reply.headers["Content-Type"].startswith("application/openmetrics-text")
        assert "# UNIT notemill_request_duration_seconds seconds" in reply.text
        assert reply.text.endswith("# EOF\n")


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "0", "\udcff"])
def test_without_the_token_nothing_is_told(
    layout: Layout, counts: Counts, tmp_path: Path, token: str
) -> None:
    with watched(section(tmp_path), layout, [counts]):
        (target,) = published(layout)
        (address,) = target["targets"]
        with socket.create_connection(address.split(":")) as asking:
            line = f"Authorization: Bearer {token}\r\n" if token else ""
            asking.sendall(f"GET /metrics HTTP/1.1\r\n{line}\r\n".encode(errors="surrogateescape"))
            told = asking.makefile("rb").read()
        assert b" 401 " in told.splitlines()[0] and b"notemill" not in told
        assert scraped(target).status_code == 200


def test_two_tasks_that_are_asked_together_stand_beside_each_other(
    layout: Layout, counts: Counts
) -> None:
    other = Counts("chest", "fever-0123456789ab", "0003", STATUSES, texts=10)
    other.in_flight = 2
    other.end("answered")
    with watched(MetricsSection(), layout, [counts, other]):
        (target,) = published(layout)
        text = scraped(target).text
        found = {
            sample.labels["experiment"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "notemill_texts_total" and sample.labels["status"] == "answered"
        }
        assert found == {"cough-0123456789ab": 0, "fever-0123456789ab": 1}
        assert samples(text)["notemill_slots_in_use", frozenset()] == 2
    names = {path.stem for path in layout.metrics_totals("").parent.glob("*.prom")}
    assert names == {"chest.cough-0123456789ab.0003", "chest.fever-0123456789ab.0003"}


def test_an_engine_s_own_metrics_are_a_target_as_long_as_it_tells(
    layout: Layout, counts: Counts
) -> None:
    def silent() -> bytes:
        raise NoMetrics("status 501")

    def gone() -> bytes:
        raise ConnectionRefusedError

    with watched(MetricsSection(), layout, [counts]):
        assert len(published(layout)) == 1
        counts.own |= {0: silent, 1: lambda: b"requests 3\n"}
        eventually(lambda: len(published(layout)) == 2)
        (_, engine) = published(layout)
        assert engine["labels"]["engine"] == "1" and engine["labels"]["shard"] == "0003"
        assert scraped(engine).text == "requests 3\n"
        counts.own[1] = gone
        assert scraped(engine).status_code == 502
        del counts.own[1]
        assert scraped(engine).status_code == 404
        eventually(lambda: len(published(layout)) == 1)


class Ended(Exception):
    """As SIGTERM ends a job."""


@pytest.mark.parametrize("error", [None, Ended, KeyboardInterrupt])
def test_whatever_ends_the_job_its_target_goes_and_its_totals_stay(
    layout: Layout, counts: Counts, error: type[BaseException] | None
) -> None:
    with ExitStack() as stack:
        if error:
            stack.enter_context(pytest.raises(error))
        with watched(MetricsSection(), layout, [counts]):
            (target,) = published(layout)
            counts.end("answered")
            if error:
                raise error
    assert not list(layout.metrics_targets.iterdir())
    (totals,) = layout.metrics_totals("").parent.iterdir()
    assert samples(totals.read_text())["notemill_texts_total", frozenset({("status", "answered")})]
    with pytest.raises(httpx.TransportError):
        scraped(target)


def test_a_job_ends_while_it_is_scraped_by_some_who_never_finish(
    layout: Layout, counts: Counts
) -> None:
    over = threading.Event()

    def scrape(target: dict[str, Any]) -> None:
        while not over.is_set():
            try:
                scraped(target)
            except httpx.TransportError:
                return

    with ExitStack() as stack:
        with watched(MetricsSection(), layout, [counts]):
            (target,) = published(layout)
            (address,) = target["targets"]
            for begun in (b"", b"GET /met", b"GET /metrics HTTP/1.1\r\n") * 10:
                hanging = stack.enter_context(socket.create_connection(address.split(":")))
                hanging.sendall(begun)
            scrapers = [threading.Thread(target=scrape, args=(target,)) for _ in range(3)]
            for each in scrapers:
                each.start()
        assert not list(layout.metrics_targets.iterdir())
        over.set()
        for each in scrapers:
            each.join()


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_that_is_taken_is_a_warning_and_the_next_one_is_tried(
    layout: Layout, counts: Counts, taken: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        with watched(MetricsSection(ports=(taken, taken)), layout, [counts]):
            counts.end("answered")
        assert not layout.metrics_targets.exists()
        assert f"ports {taken} to {taken}: Address already in use" in caplog.text
        assert list(layout.metrics_totals("").parent.iterdir())
    with watched(MetricsSection(ports=(taken, taken + 50)), layout, [counts]):
        (target,) = published(layout)
        assert taken < int(target["targets"][0].split(":")[1]) <= taken + 50


@pytest.mark.parametrize("wrong", ["open to others", "missing", "short", "empty"])
def test_without_a_proper_token_nothing_is_served(
    layout: Layout,
    counts: Counts,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    wrong: str,
) -> None:
    settings = section(tmp_path, {"short": "0123", "empty": ""}.get(wrong, TOKEN))
    if wrong == "open to others":
        (tmp_path / "token").chmod(0o640)
    if wrong == "missing":
        (tmp_path / "token").unlink()
    with watched(settings, layout, [counts]):
        counts.end("answered")
    assert "no metrics are served" in caplog.text and str(tmp_path / "token") in caplog.text
    assert TOKEN not in caplog.text
    assert not layout.metrics_targets.exists()


def test_where_no_target_can_be_written_the_job_goes_on(
    layout: Layout, counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    (layout.results / "metrics").write_text("a file, where a folder must be")
    with watched(MetricsSection(), layout, [counts]):
        eventually(lambda: "not found" in caplog.text)
        counts.end("answered")
    assert counts.ended["answered"] == 1
    assert "last totals are not kept" in caplog.text


def test_targets_of_killed_jobs_are_swept_and_those_of_others_are_not(
    layout: Layout, counts: Counts
) -> None:
    layout.metrics_targets.mkdir(parents=True)
    killed, alive = (layout.metrics_targets / f"{name}.json" for name in ("killed", "alive"))
    for path in (killed, alive):
        path.write_text("[]")
    old = path.stat().st_mtime - 3600
    os.utime(killed, (old, old))
    with watched(MetricsSection(), layout, [counts]):
        eventually(lambda: not killed.exists())
    assert alive.exists()


def test_a_living_jobs_file_that_another_took_for_stale_is_written_again(tmp_path: Path) -> None:
    """The clock was set forward between the two marks: so old is what was marked before."""
    one, other = (TargetFile(tmp_path, name, "127.0.0.1:9464") for name in ("one", "other"))
    targets = [Target("/metrics", {"host": "n1"})]
    for each in (one, other):
        each.write(targets)
    path = tmp_path / "one.json"
    before = path.read_bytes()
    an_hour_ago = path.stat().st_mtime - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))
    other.live()
    assert not path.exists()
    one.live()
    one.write(targets)
    assert path.read_bytes() == before
    one.remove()
    one.live()
    one.write(targets)
    assert not path.exists()

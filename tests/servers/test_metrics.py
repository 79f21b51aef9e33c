"""Real jobs on Slurm, watched by a real Prometheus with deploy/ as users have it."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.grafana.dashboard import written
from notemill.answers.job import answer_shards
from notemill.answers.shard import read_origin
from notemill.counts import Counts
from tests.oracle import EMBEDDED, config, write_sqlite
from tests.servers import prometheus
from tests.servers.daemon import wait_until
from tests.servers.debian import require
from tests.servers.prometheus import DEPLOYED, Prometheus, promtool
from tests.servers.shard_site import WELL, ShardSite
from tests.servers.slurm import SlurmCluster
from tests.workflow.project import REPOSITORY, Project, site_arguments

DASHBOARD = REPOSITORY / "deploy" / "grafana" / "dashboard.json"
TOKEN = "metrics-0123456789abcdef"
COMPARED = re.compile(r" ([<>]=?) ")
OF_GRAFANA = {"$__rate_interval": "10s", "$__range": "5m", "$cohort": ".*", "$experiment": ".*"}
SMI = """#!/bin/sh
# What NVIDIA's driver says of a GPU.
case "$*" in *--query-gpu=uuid*) echo "GPU-5d6a, 1024, 81559, 37, NVIDIA H100 80GB HBM3";; esac
"""


def of_dashboard() -> list[str]:
    """Every expression of the dashboard, its variables filled in."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    panels += [inner for panel in panels for inner in panel.get("panels", [])]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    for variable, value in OF_GRAFANA.items():
        expressions = [expression.replace(variable, value) for expression in expressions]
    return expressions


def of_alerts() -> list[str]:
    """Every alert's expression, so that it says 0 or 1 where it would keep or drop a series."""
    groups = yaml.safe_load((DEPLOYED / "alerts.yml").read_text())["groups"]
    rules = [rule["expr"] for group in groups for rule in group["rules"]]
    return [COMPARED.sub(r" \1 bool ", expression) for expression in rules]


@dataclass
class Watched:
    """A run that has ended. silent: expressions without data while it ran; series: labels that a
    metric had, by its name; targets: what was scraped."""

    project: Project
    silent: list[str]
    series: dict[str, dict[str, str]]
    targets: list[dict[str, Any]]
    output: str


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, cluster: SlurmCluster) -> Iterator[Watched]:
    require(prometheus.PACKAGES)
    folder = tmp_path_factory.mktemp("metrics")
    project = watched_project(folder, cluster)
    with Prometheus(project.results / "metrics" / "targets", folder / "token") as server:
        serve = [
            *[
                "-m",
                "notemill",
                "serve",
                "engine",
                "--host",
                "127.0.0.1",
                "--hours",
                "1",
                "--folder",
            ]
        ]
        pool = started(
            project, [sys.executable, *serve, str(folder / "pool"), "--configfile", "config.yaml"]
        )
        run = started(
            project,
            [*project.command("--until", "answer", profile="slurm"), *site_arguments()],
        )
        began = time.time()
        targets: list[dict[str, Any]] = []
        while run.poll() is None:
            targets += server.targets()
            time.sleep(0.2)
        output, _ = run.communicate()
        silent = {
            each for each in of_dashboard() + of_alerts() if not server.query(each, since=began)
        }
        pool.terminate()
        output += pool.communicate()[0]
        wait_until(lambda: not server.targets(), 20, "a target is still there")
        everything = server.query('last_over_time({__name__=~"(notemill|llamacpp).*"}[10m])')
        series = {each["metric"].get("__name__", ""): each["metric"] for each in everything}
        yield Watched(project, sorted(silent), series, targets, output)


def started(project: Project, command: list[str]) -> subprocess.Popen[str]:
    """A command in the project's folder. PYTHONPATH: this notemill, as scripts have it."""
    return subprocess.Popen(
        command,
        cwd=project.folder,
        env={**project.environment, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def watched_project(folder: Path, cluster: SlurmCluster) -> Project:
    """One experiment over 300 notes on Slurm, whose nodes seem to have NVIDIA's driver."""
    write_sqlite(folder / "notes.sqlite")
    # Prometheus takes new targets in every five seconds: the engine must live for longer.
    with closing(sqlite3.connect(folder / "notes.sqlite")) as database, database:
        database.executemany(
            "INSERT INTO notes SELECT patientvisitid || ?, accession, note_text || ? FROM notes "
            "WHERE patientvisitid NOT LIKE '% again'",
            [(f" {number} again", f" Seen {number} times.") for number in (2, 3)],
        )
    settings = config({"url": f"sqlite:///{folder}/notes.sqlite"}, EMBEDDED)
    settings["cohorts"]["oracle"]["shards"] = 1
    del settings["experiments"]["pleural_effusion"]
    settings["experiments"]["pneumonia"]["pilot"] = {"notes": 0}
    (folder / "token").touch(mode=0o600)
    (folder / "token").write_text(f"{TOKEN}\n")
    settings["metrics"] = {"address": "0.0.0.0", "token_file": str(folder / "token")}
    smi = folder / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text(SMI)
    smi.chmod(0o755)
    path = f"{smi.parent}:{cluster.environment['PATH']}"
    return Project(folder / "project", settings, cluster.environment | {"PATH": path})


def test_every_expression_of_dashboard_and_alerts_has_data(watched: Watched) -> None:
    assert watched.silent == [], watched.output


def test_series_say_whose_they_are_and_never_which_note(watched: Watched) -> None:
    known = {"cohort", "experiment", "shard", "host", "slurm_job", "instance", "job", "__name__"}
    further = {"status", "direction", "reason", "le", "engine", "gpu", "gpu_name"}
    series = watched.series.items()
    ours = {name: labels for name, labels in series if name.startswith("notemill_")}
    servers = {name: ours.pop(name) for name in list(ours) if name.startswith("notemill_server")}
    for name, labels in servers.items():
        assert labels["server"].startswith(labels["host"]), name
        of_server = {"server", "model", "host", "instance", "job", "__name__", "status"}
        assert labels.keys() == of_server - ({"status"} - labels.keys())
        assert labels["model"] == "notemill-tiny"
    assert len(ours) > 20 and len(servers) == 6
    for name, labels in ours.items():
        assert labels["cohort"] == "oracle" and labels["shard"] == "0000", name
        assert labels["experiment"].startswith("pneumonia-") and labels["slurm_job"].isdecimal()
        assert labels.keys() <= known | further, name
    gpu = watched.series["notemill_gpu_busy_ratio"]
    assert (gpu["gpu"], gpu["gpu_name"]) == ("GPU-5d6a", "NVIDIA H100 80GB HBM3")
    engine = watched.series["llamacpp:requests_processing"]
    assert engine["engine"] == "0"


def test_a_job_and_its_engine_are_found_and_gone_at_the_end(watched: Watched) -> None:
    found = {
        ("server" in each["labels"], each["labels"].get("shard"), path(each))
        for each in watched.targets
    }
    assert found == {
        (server, shard, at)
        for server, shard in ((True, None), (False, "0000"))
        for at in ("/metrics", "/engine/0")
    }
    metrics = watched.project.results / "metrics"
    assert not list((metrics / "targets").iterdir())


def path(target: dict[str, Any]) -> str:
    """Where it is scraped."""
    at: str = target["discoveredLabels"]["__metrics_path__"]
    return at


def test_the_last_totals_are_what_the_result_shard_tells(watched: Watched) -> None:
    (totals,) = (watched.project.results / "metrics" / "totals").glob("oracle.*")
    assert totals.stat().st_mode & 0o777 == 0o600
    families = text_string_to_metric_families(totals.read_text())
    samples = [sample for family in families for sample in family.samples]

    def total(name: str, **labels: str) -> float:
        return sum(
            sample.value
            for sample in samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    (shard,) = (watched.project.results / "answers").rglob("*.parquet")
    origin, rows = read_origin(shard), pq.read_table(shard).to_pylist()
    texts = {row["text_sha256"]: row for row in rows}.values()
    for status in {row["status"] for row in texts}:
        ended = sum(row["status"] == status for row in texts)
        assert total("notemill_texts_total", status=status) == ended
    assert total("notemill_texts_total") == len(texts) == total("notemill_shard_done_texts")
    assert total("notemill_tokens_total") == origin.tokens
    attempts = sum(row["attempts"] for row in texts)
    assert total("notemill_request_duration_seconds_count") == attempts
    assert total("notemill_retries_total") == attempts - len(texts)
    journal = shard.with_suffix(".journal.jsonl")
    assert 0 < total("notemill_journal_size_bytes") <= journal.stat().st_size
    assert not [sample for sample in samples if "in_use" in sample.name]


def test_promtool_accepts_what_is_deployed_and_its_tests_pass() -> None:
    require(prometheus.PACKAGES)
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")


def test_every_alert_is_tested_by_promtool() -> None:
    groups = yaml.safe_load((DEPLOYED / "alerts.yml").read_text())["groups"]
    names = {rule["alert"] for group in groups for rule in group["rules"]}
    tests = yaml.safe_load((DEPLOYED / "alerts_test.yml").read_text())["tests"]
    fired = {
        case["alertname"]: bool(case.get("exp_alerts"))
        for test in tests
        for case in test["alert_rule_test"]
    }
    assert fired == dict.fromkeys(names, True)


def test_the_dashboard_is_as_its_code_writes_it() -> None:
    assert DASHBOARD.read_text() == written(), (
        "python -m deploy.grafana.dashboard > deploy/grafana/dashboard.json"
    )


def counted(folder: Path, faults: list[dict[str, Any]]) -> Counts:
    """What the job on a shard of six texts counts."""
    site = ShardSite(folder, [f"{n}: {WELL}" for n in range(6)], faults=faults)
    seen: list[Counts] = []

    @contextmanager
    def watched(counts: Sequence[Counts]) -> Iterator[None]:
        seen.extend(counts)
        yield

    (origin,) = answer_shards([site.job()], watched=watched)
    (counts,) = seen
    assert counts.prompt_tokens + counts.answer_tokens == origin.tokens
    assert (counts.in_flight, counts.slots) == (0, 3)
    assert counts.engine == "ollama 0.24.0" and counts.own == {}
    return counts


def test_retries_are_counted_by_what_made_them_necessary(tmp_path: Path) -> None:
    wrong = {"fault": "schema_violation", "match": "3: ", "value": {"response": "(4) Perhaps"}}
    broken = {"fault": "invalid_json", "match": "2: ", "times": 1}
    counts = counted(tmp_path, [broken, wrong])
    assert counts.ended == {"answered": 5, "schema": 1}
    assert counts.retries == {"schema": 2, "invalid_json": 1}
    assert counts.restarts == 0
    assert sum(counts.requests.counts) == 6 + 3


def test_an_engine_s_restarts_are_counted_and_what_it_took_with_it(tmp_path: Path) -> None:
    counts = counted(tmp_path, [{"fault": "crash", "match": "1: ", "starts": 1}])
    assert counts.ended == {"answered": 6}
    assert counts.restarts == 1
    assert set(counts.retries) == {"interrupted"}
    assert 1 <= counts.retries["interrupted"] <= 4  # what was in flight

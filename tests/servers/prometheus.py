"""A real Prometheus for tests, with deploy/prometheus as a user would have it.

Needs Debian's `prometheus`. Everything lies in one temporary folder, on a port of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from tests.servers import debian
from tests.servers.daemon import Daemon, free_port, wait_until
from tests.workflow.project import REPOSITORY

PACKAGES = debian.MONITORING
DEPLOYED = REPOSITORY / "deploy" / "prometheus"
START_SECONDS = 60


class Prometheus:
    """A running Prometheus that scrapes what `targets` (a folder) tells of, every second.

    token_file: what it shows to those whom it scrapes.
    """

    def __init__(self, targets: Path, token_file: Path | None = None) -> None:
        self._targets = targets
        self._token_file = token_file
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="notemill-prometheus-"))
        self._exit.callback(shutil.rmtree, self.folder)
        for path in DEPLOYED.iterdir():
            shutil.copy(path, self.folder)
        config = yaml.safe_load((self.folder / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        (scrape,) = config["scrape_configs"]
        (discovery,) = scrape["file_sd_configs"]
        discovery |= {"files": [str(self._targets / "*.json")], "refresh_interval": "1s"}
        if self._token_file:
            scrape["authorization"] = {"credentials_file": str(self._token_file)}
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        command = [
            "prometheus",
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        try:
            daemon = Daemon(command, self.folder / "prometheus.log", grace_seconds=5)
            self._exit.callback(daemon.stop)
            wait_until(
                lambda: httpx.get(f"{self.address}/-/ready", trust_env=False).is_success,
                START_SECONDS,
                "Prometheus is not ready",
                [daemon],
                retry_on=httpx.TransportError,
            )
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def query(self, expression: str, *, since: float | None = None) -> list[dict[str, Any]]:
        """What an expression gives now, series with `metric` and `value`; or gave at any second
        since then, with `values`."""
        asked = {"query": expression}
        if since is not None:
            asked |= {"start": f"{since}", "end": f"{time.time()}", "step": "1"}
        kind = "query" if since is None else "query_range"
        reply = httpx.get(f"{self.address}/api/v1/{kind}", params=asked, trust_env=False).json()
        assert reply["status"] == "success", (expression, reply)
        result: list[dict[str, Any]] = reply["data"]["result"]
        return result

    def targets(self) -> list[dict[str, Any]]:
        """What it scrapes now."""
        reply = httpx.get(f"{self.address}/api/v1/targets", trust_env=False).json()
        found: list[dict[str, Any]] = reply["data"]["activeTargets"]
        return found


def promtool(*arguments: str) -> str:
    """Run promtool in deploy/prometheus; what it says. Fails where it does."""
    done = subprocess.run(
        ["promtool", *arguments], cwd=DEPLOYED, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

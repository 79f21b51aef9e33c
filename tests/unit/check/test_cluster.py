"""`notemill check --cluster` as far as it needs no Slurm."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from notemill.check.partitions import Nodes, Partition, minutes
from notemill.errors import NotemillError
from notemill.slurm.submissions import Probe, submissions
from tests.unit.check.conftest import Checked, one
from tests.unit.conftest import names_in

REPOSITORY = Path(__file__).parents[3]
PROBE = Probe(name="look", log="/tmp/log", minutes=5)


def slurm(folder: Path, *, sbatch: bytes, others: bytes = b"exit 1") -> Path:
    """A folder with Slurm's commands, each a line of shell."""
    folder.mkdir()
    for name in ("sbatch", "scontrol", "sinfo", "sacctmgr", "sshare"):
        does = sbatch if name == "sbatch" else others
        (folder / name).write_bytes(b"#!/bin/sh\n" + does + b"\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("UNLIMITED", None),
        ("NONE", None),
        ("30:00", 30),
        ("01:00:00", 60),
        ("1-00:00:00", 24 * 60),
        ("14-12:30:00", (14 * 24 + 12) * 60 + 30),
    ],
)
def test_slurms_times_are_read(time: str, expected: int | None) -> None:
    assert minutes(time) == expected


def test_nodes_are_told_by_what_the_largest_jobs_may_ask() -> None:
    kinds = ("idle", "mixed", "allocated", "idle~", "down*", "drained", "idle*", "mixed-")
    nodes = tuple(Nodes(1, "gpu:a100:4", 64, 512_000, state) for state in kinds)
    assert [node.usable for node in nodes] == [True, True, True, True, False, False, False, True]
    assert Partition("UP", None, nodes).largest == "64 CPUs, 512000 MB, gpu:a100:4"


def test_a_machine_without_slurm_is_one_refusal(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = checked.folder / "bin"
    python.mkdir()
    monkeypatch.setenv("PATH", str(python))
    found = checked.found("--cluster")
    assert checked.status == 1
    assert one(found, "sbatch was not found")["remedy"].startswith("check where you start")
    assert not checked.clinic.layout.results.exists()


def test_commands_of_slurm_without_its_configuration_are_told_so(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Debian's package leaves them on a machine that is no login node."""
    fails = b"echo 'fatal: Could not establish a configuration source' >&2; exit 1"
    not_utf8 = fails.replace(b"fatal", b"\xe9")
    folder = slurm(checked.folder / "bin", sbatch=not_utf8, others=fails)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    found = checked.found("--cluster", "--no-job")
    remedies = {each["remedy"] for each in found if each["level"] == "refusal"}
    assert all("set SLURM_CONF" in remedy for remedy in remedies)
    assert remedies


def test_a_check_that_is_ended_while_slurm_is_asked_leaves_nothing(checked: Checked) -> None:
    """Its terminal closed, or killed, while an sbatch hangs."""
    asked = checked.folder / "asked"
    folder = slurm(checked.folder / "bin", sbatch=f"touch {asked}; exec sleep 60".encode())
    (checked.folder / "tmp").mkdir()
    environment = os.environ | {
        "PATH": f"{folder}:/usr/bin:/bin",
        "TMPDIR": str(checked.folder / "tmp"),
        "PYTHONPATH": str(REPOSITORY),
    }
    (checked.folder / "my.yaml").write_text(yaml.safe_dump(checked.values))
    arguments = [
        "--configfile",
        "my.yaml",
        "--cluster",
        "--profile",
        str(REPOSITORY / "profiles" / "slurm"),
    ]
    check = subprocess.Popen(
        [sys.executable, "-m", "notemill", "check", *arguments],
        cwd=checked.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not asked.exists() and check.poll() is None:
        time.sleep(0.05)
    check.send_signal(signal.SIGTERM)
    assert check.wait(timeout=60) == 130
    assert not checked.clinic.layout.results.exists()
    assert names_in(checked.folder / "tmp") == []


def test_slurm_is_not_asked_about_a_plan_that_is_refused(checked: Checked) -> None:
    checked.experiment["task"] = "absent"
    found = checked.found("--cluster")
    assert one(found, "Slurm was asked nothing")["level"] == "warning"
    assert [each["about"] for each in found if each["level"] == "refusal"] == ["configuration"]


def test_a_profile_that_snakemake_cannot_use_is_refused_in_its_words(tmp_path: Path) -> None:
    ours = REPOSITORY / "profiles" / "slurm"
    shutil.copytree(ours, tmp_path / "mine")
    profile = tmp_path / "mine" / "profile.yaml"
    profile.write_text(profile.read_text().replace("runtime: 240", "runtime: oops"))
    arguments = ["--profile", str(profile.parent), "--configfile", "config/demo.yaml"]
    with pytest.raises(NotemillError, match="'runtime' with value 'oops'") as refused:
        submissions(arguments, PROBE, REPOSITORY)
    assert refused.value.where == f"profile {profile.parent}"
    mine = profile.read_text().replace("runtime: oops", "runtime: 240")
    profile.write_text(mine.replace("32000 * attempt", "32000 * atempt"))
    with pytest.raises(NotemillError, match="returned '32000 \\* atempt'") as refused:
        submissions(arguments, PROBE, REPOSITORY)
    assert "Traceback" not in refused.value.what
    profile.write_text("bogus: 1")
    with pytest.raises(NotemillError, match="unrecognized arguments: --bogus=1"):
        submissions(arguments, PROBE, REPOSITORY)
    profile.write_text("executor: local\ncores: 1")
    assert submissions(arguments, PROBE, REPOSITORY) == []

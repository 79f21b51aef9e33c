"""`notemill check --cluster` as far as it needs no Slurm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from notemill.check.partitions import Nodes, Partition, minutes
from notemill.errors import NotemillError
from notemill.slurm.submissions import Probe, submissions
from tests.unit.check.conftest import Checked, one

REPOSITORY = Path(__file__).parents[3]
PROBE = Probe(name="look", log="/tmp/log", minutes=5)


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
    sbatch = checked.folder / "bin" / "sbatch"
    sbatch.parent.mkdir()
    words = "sbatch: fatal: Could not establish a configuration source"
    sbatch.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    for other in ("scontrol", "sinfo", "sacctmgr", "sshare"):
        (sbatch.parent / other).write_text(sbatch.read_text())
    for command in sbatch.parent.iterdir():
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sbatch.parent}:/usr/bin:/bin")
    found = checked.found("--cluster", "--no-job")
    remedies = {each["remedy"] for each in found if each["level"] == "refusal"}
    assert all("set SLURM_CONF" in remedy for remedy in remedies)
    assert remedies


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

"""Every file that a run writes, where the disk or the quota is full at each of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

from notemill.errors import NotemillError
from tests.disks import SmallDisk, quota, read_only, small_disk
from tests.servers.shard_site import ShardSite
from tests.stages import Stages

STEP = 8192
STEPS = {"extract": 24_576, "load": 16_384, "evaluate": 32_768, "look": 16_384, "report": 81_920}
"""Bytes by which the room grows until a stage has enough."""


def whole(results: Path) -> None:
    """What has the name of a whole file is one, and nothing else lies there."""
    for path in results.rglob("*"):
        assert not path.name.endswith((".partial", ".spool")), path
        if path.suffix == ".json":
            json.loads(path.read_text())
        if path.suffix == ".parquet":
            pq.read_table(path)


class Undisturbed(NamedTuple):
    """What a run comes to that nothing befalls."""

    rows: list[object]
    asked: Counter[tuple[str, str]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    with pytest.MonkeyPatch.context() as patch:
        stages = Stages(tmp_path_factory.mktemp("runs") / "undisturbed", patch).through("purge")
        return Undisturbed(stages.rows(), stages.asked)


def test_a_disk_that_is_full_at_every_write_costs_nothing_but_another_run(
    tmp_path: Path, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = Stages(tmp_path / "full", monkeypatch)
    with small_disk(stages.results, kib=2048) as disk:
        for name, step in stages.steps().items():
            places = refused(disk, stages.results, step, STEPS.get(name, STEP))
            assert places, name
            assert all(place.startswith(str(stages.results)) for place in places), places
        assert stages.rows() == undisturbed.rows
        # What was in flight when its line could not be written.
        assert (stages.asked - undisturbed.asked).total() <= 4


def refused(disk: SmallDisk, results: Path, step: Callable[[], object], more: int) -> list[str]:
    def attempt() -> None:
        whole(results)
        step()

    return disk.refusals(attempt, more)


def test_a_quota_that_is_reached_is_told_as_a_full_disk(
    tmp_path: Path, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = Stages(tmp_path / "quota", monkeypatch)
    with quota(stages.results) as disk:
        for name, step in stages.steps().items():
            if name in ("extract", "pilot", "answer", "load", "report"):
                assert refused(disk, stages.results, step, 131_072), name
            else:
                step()
        assert stages.rows() == undisturbed.rows


def test_where_results_can_only_be_read_each_stage_says_so_and_changes_nothing(
    tmp_path: Path, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = Stages(tmp_path / "read-only", monkeypatch)
    stages.results.mkdir()
    for name, step in stages.steps().items():
        with read_only(stages.results):
            with pytest.raises(NotemillError, match="can't be written or read") as refused:
                step()
            assert str(refused.value.where).startswith(str(stages.results)), name
        step()
    with read_only(stages.results):
        stages.command("status")
        stages.command("summary")
    assert stages.rows() == undisturbed.rows


def test_a_temporary_folder_that_is_full_costs_a_job_its_engine_and_no_answer(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_TMPDIR", raising=False)
    engine = {"kind": "llamacpp", "weights": str(weights), "slots": 1, "gpu": "off"}
    (tmp_path / "site").mkdir()
    site = ShardSite(tmp_path / "site", ["One.", "Two."], engine, {"model": "random"})
    with small_disk(tmp_path / "temporary", kib=64) as disk:
        monkeypatch.setenv("TMPDIR", str(disk.folder))
        disk.fill()
        with pytest.raises(NotemillError, match="the engine's key can't be written") as refused:
            site.answer()
        assert str(refused.value.where).startswith(str(disk.folder))
        assert "TMPDIR" in refused.value.remedy
        disk.give_room()
        with read_only(disk.folder):  # then it is another place
            assert [row["attempts"] > 0 for row in site.answer()] == [True, True]
        assert list(disk.folder.iterdir()) == []


def test_a_model_store_that_can_only_be_read_is_enough_and_nothing_is_pulled_into_it(
    tmp_path: Path,
) -> None:
    site = ShardSite(tmp_path, ["One.", "Two."])
    with read_only(tmp_path / "store"):
        assert [row["status"] for row in site.answer()] == ["answered", "answered"]
        site.engine, site.experiment = {"pull": True}, {"model": "another:1"}
        with pytest.raises(NotemillError, match="can't be written") as refused:
            site.job()
    assert str(refused.value.where).startswith(str(tmp_path / "store"))
    assert "engines.*.models" in refused.value.remedy

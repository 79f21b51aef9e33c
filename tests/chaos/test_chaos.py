"""A seeded round of `make chaos` (tests/chaos/__init__.py): victims that are quick to come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.plan import Plan, draw_plan
from tests.chaos.round import Round
from tests.chaos.site import Site
from tests.servers.mariadb import MariaDB
from tests.servers.slurm import SlurmCluster

QUICK = ("driver", "job", "python", "engine", "runner", "database", "disk", "stopped")
SEED = 14


@pytest.fixture
def site(cluster: SlurmCluster, running_mariadb: MariaDB) -> Iterator[Site]:
    yield Site(cluster, running_mariadb)
    cluster.mend()


def planned(number: int, kind: str) -> Plan:
    plan = draw_plan(SEED, number, kills=12, kinds=[kind], victims=QUICK)
    return replace(plan, notes=100, shards=1, experiments=("first",), answer_s=0.4)


@pytest.mark.parametrize("number", [0])
def test_whatever_is_killed_each_note_has_its_own_answer_and_none_is_asked_again(
    number: int, site: Site, tmp_path: Path
) -> None:
    this = Round(tmp_path / "round", planned(number, "mariadb"), site, print)
    done = {"breaches": ["it did not end"], "hits": []}
    try:
        done = this.run()
    finally:
        this.clear(keep=bool(done["breaches"]))
    assert done["breaches"] == []
    assert len(done["hits"]) >= 6

"""Which jobs of an earlier snakemake are watched by the next one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from notemill.slurm.earlier import Earlier, EarlierJobs, can_be_taken_over, earlier_jobs

LISTED = """\
11|notemill_old|rule_answer_wildcards_visits_x_cut-0002_0000|/home/me/project
12|notemill_now|rule_answer_wildcards_visits_x_cut-0002_0001|/home/me/project
13|notemill_old|rule_answer_wildcards_visits_x_cut-0002_0002|/home/me/other
14|interactive|rule_answer_wildcards_visits_x_cut-0002_0003|/home/me/project
15|notemill_old

no such line
"""


def test_a_job_of_this_folder_and_of_another_run_is_found_by_its_comment() -> None:
    found = earlier_jobs(LISTED, "/home/me/project", "notemill_now", "notemill")
    comment = "rule_answer_wildcards_visits_x_cut-0002_0000"
    assert found == {comment: Earlier("11", "notemill_old")}


@pytest.mark.parametrize(
    ("rule", "can"),
    [
        ("answer", True),
        ("answer_both", True),
        ("pilot_job", True),
        ("answers", False),
        # What these do is not all in their wildcards.
        ("extract", False),
        ("load", False),
        ("repeat", False),
        ("server", False),
    ],
)
def test_it_must_do_what_the_new_one_would(rule: str, can: bool) -> None:
    assert can_be_taken_over(rule) is can


OF_THE_FIRST = LISTED.splitlines()[0]
OF_THE_SECOND = OF_THE_FIRST.replace("11|", "21|")
COMMENT = OF_THE_FIRST.split("|")[2]


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in squeue's place."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def says(script: str) -> None:
        (tmp_path / "squeue").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "squeue").chmod(0o755)

    return says


class Run:
    """A run's earlier jobs, and what it was told meanwhile."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.waited: list[str] = []
        self.comes_back: Callable[[], bool] = lambda: False
        self._earlier = EarlierJobs(
            "/home/me/project", "notemill_now", "notemill", self.warnings.append
        )

    def take(self, clusters: str = "", of: str = COMMENT) -> Earlier | None:
        return self._earlier.take(of, clusters, self._is_back)

    def _is_back(self, said: str) -> bool:
        self.waited.append(said)
        return self.comes_back()


def test_a_job_is_taken_once(squeue: Callable[[str], None]) -> None:
    squeue(f"echo '{OF_THE_FIRST}'")
    run = Run()
    assert run.take() == Earlier("11", "notemill_old")
    squeue("exit 0")
    assert run.take() is None


def test_a_job_that_has_ended_since_the_listing_is_not_waited_for(
    squeue: Callable[[str], None],
) -> None:
    """Its shard's turn may come hours later, and no squeue knows it any more."""
    squeue(f"echo '{OF_THE_FIRST}'")
    run = Run()
    assert run.take(of="rule_answer_wildcards_another") is None
    squeue("exit 0")
    assert run.take() is None


def test_a_job_on_another_cluster_is_found_there(squeue: Callable[[str], None]) -> None:
    squeue(f"""case "$*" in
*--clusters=gpu*) echo 'CLUSTER: gpu'; echo '{OF_THE_SECOND}';;
*) echo '{OF_THE_FIRST}';;
esac""")
    run = Run()
    assert run.take("gpu") == Earlier("21", "notemill_old")
    assert run.take() == Earlier("11", "notemill_old")


def test_a_squeue_that_can_not_list_is_told_of_and_not_waited_for(
    squeue: Callable[[str], None],
) -> None:
    squeue("echo \"squeue: unrecognized option '--me'\" >&2; exit 1")
    run = Run()
    assert run.take() is None
    assert run.take() is None
    (warning,) = run.warnings
    assert "unrecognized option '--me'" in warning
    assert not run.waited


def test_a_controller_that_is_away_is_waited_for(squeue: Callable[[str], None]) -> None:
    away = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    squeue(f"echo '{away}' >&2; exit 1")
    run = Run()
    assert run.take() is None
    assert len(run.waited) == 1

    def back() -> bool:
        squeue(f"echo '{OF_THE_FIRST}'")
        return True

    run.comes_back = back
    assert run.take() == Earlier("11", "notemill_old")
    assert len(run.waited) == 2
    assert not run.warnings

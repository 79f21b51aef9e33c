"""notemill.plan.batches: which tasks are asked together stays what it was when they were asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from notemill.answers.experiment_record import keep_record
from notemill.engines.record import ModelRecord
from notemill.paths import Layout
from notemill.plan.batches import Batch, batches
from notemill.plan.runs import plan_runs
from notemill.tasks.run import Run
from tests.unit.conftest import config, config_values, write_task

COUGH = config_values()["experiments"]["cough"]
MODEL = ModelRecord(engine="local", model="m:1", digest="d", weights_sha256="w", recorded_at="t")


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder, self.layout = folder, Layout(folder / "results")
        for name in "abc":
            write_task(folder / "tasks", name=name, system=f"About {name}.")

    def runs(self, *tasks: str) -> list[Run]:
        experiment = COUGH | {"tasks": list(tasks), "results_table": "r_{task}"}
        del experiment["task"]
        return plan_runs(
            config(
                tasks=str(self.folder / "tasks"),
                results=str(self.layout.results),
                experiments={"x": experiment, "alone": COUGH | {"task": "a"}},
            )
        )

    def plan(self, *tasks: str) -> list[Batch]:
        return batches(self.runs(*tasks), self.layout)

    def names(self, *tasks: str) -> list[list[str]]:
        return sorted([run.name for run in batch.runs] for batch in self.plan(*tasks))

    def asked(self, *tasks: str, only: int | None = None) -> list[Batch]:
        """The first job of each new batch writes its records; only: so many, then it is killed."""
        planned = self.plan(*tasks)
        for batch in planned:
            for run in batch.runs[:only]:
                keep_record(self.layout, run, MODEL, batch.asked_with)
        return planned


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_what_was_not_asked_is_one_batch_and_stays_it_while_records_are_written(site: Site) -> None:
    before = site.plan("a", "b", "c")
    assert site.names("a", "b", "c") == [["x.a", "x.b", "x.c"]]
    for killed_after in (1, 2, 3):
        site.asked("a", "b", "c", only=killed_after)
        assert site.plan("a", "b", "c") == before


def test_what_comes_later_is_a_batch_of_its_own_and_leaves_the_name_of_the_first(
    site: Site,
) -> None:
    (first,) = site.asked("a", "b")
    later = {batch.name: batch for batch in site.plan("c", "b", "a")}
    assert later.pop(first.name) == first
    assert [run.name for batch in later.values() for run in batch.runs] == ["x.c"]
    (fewer,) = site.plan("b")
    assert (fewer.name, fewer.asked_with) == (first.name, first.asked_with)


def test_a_changed_task_leaves_its_batch_and_finds_it_again(site: Site) -> None:
    (first,) = site.asked("a", "b")
    write_task(site.folder / "tasks", name="a", system="Something else.")
    assert site.names("a", "b") == [["x.a"], ["x.b"]]
    site.asked("a", "b")
    write_task(site.folder / "tasks", name="a", system="About a.")
    assert site.plan("a", "b") == [first]


def test_a_task_alone_is_in_no_batch_and_another_experiment(site: Site) -> None:
    runs = {run.name: run for run in site.runs("a")}
    assert site.names("a") == [["x.a"]]
    assert runs["alone"].fingerprint != runs["x.a"].fingerprint
    assert (runs["alone"].task.note_first, runs["x.a"].task.note_first) == (False, True)


def test_tasks_that_number_sentences_stand_together_for_they_share_a_prefix(site: Site) -> None:
    settings = site.folder / "tasks" / "b" / "task.yaml"
    settings.write_text("evidence: lines\nnumbered_sentences: true\n")
    schema = "from pydantic import BaseModel\n\n\nclass Answer(BaseModel):\n    lines: list[int]\n"
    (site.folder / "tasks" / "b" / "schema.py").write_text(schema)
    assert [run.name for run in site.plan("a", "b", "c")[0].runs] == ["x.a", "x.c", "x.b"]

"""notemill.answers.experiment_record: a pin that changes nothing asks nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.experiment_record import experiment_record, keep_record
from notemill.engines.record import ModelRecord
from notemill.errors import NotemillError
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from notemill.tasks.run import Run
from tests.unit.conftest import config, config_values, names_in, write_task

D, E = "d" * 64, "e" * 64
COUGH = config_values()["experiments"]["cough"]


class Site:
    """A results folder, a task, and runs of one experiment with whatever is pinned."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(folder / "results")
        write_task(folder / "tasks")

    def plan(self, digest: str | None = None) -> Run:
        folders: dict[str, Any] = {
            "results": str(self.layout.results),
            "tasks": str(self.folder / "tasks"),
        }
        experiment = COUGH | {"digest": digest}
        (run,) = plan_runs(config(experiments={"cough": experiment}, **folders))
        return run

    def store_has(self, digest: str, run: Run) -> ModelRecord:
        model = ModelRecord(
            engine="local", model="m:1", digest=digest, weights_sha256="w", recorded_at="2026"
        )
        model.write(self.layout.model(run.model_id))
        return model

    def answered(self, digest: str, pin: str | None = None) -> str:
        """Run the experiment's first job with the store's model; returns the experiment's id."""
        before = self.plan(pin)
        keep_record(self.layout, before, self.store_has(digest, before))
        assert self.plan(pin).experiment_id == before.experiment_id, "it flipped under its own run"
        return before.experiment_id


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_pinning_the_very_digest_that_is_recorded_is_no_change(site: Site) -> None:
    begun = site.answered(D)
    assert site.plan(D).experiment_id == begun
    assert site.plan(D).remarks == ()
    assert site.answered(D, pin=D) == begun
    assert site.plan().experiment_id == begun


def test_unpinning_the_digest_that_was_pinned_is_no_change(site: Site) -> None:
    begun = site.answered(D, pin=D)
    assert site.plan().experiment_id == begun
    assert site.answered(D) == begun
    assert site.plan(D).experiment_id == begun


def test_another_digest_is_another_experiment_and_is_said_before(site: Site) -> None:
    begun = site.answered(D)
    pinned = site.plan(E)
    assert pinned.experiment_id != begun
    (remark,) = pinned.remarks
    assert f"pins the digest {E}" in remark
    assert f"come from {D}" in remark
    assert "asked anew" in remark
    assert site.answered(E, pin=E) == pinned.experiment_id
    assert site.plan(E).remarks == ()  # it has answers of its own by now
    assert site.plan(D).experiment_id == begun


def test_two_pins_are_two_experiments(site: Site) -> None:
    first, second = site.answered(D, pin=D), site.answered(E, pin=E)
    assert first != second
    assert site.plan(D).experiment_id == first
    assert site.plan(E).experiment_id == second


def test_a_fresh_pin_says_nothing_and_has_its_own_identity(site: Site) -> None:
    assert site.plan(D).remarks == ()
    assert len({site.plan(digest).experiment_id for digest in (None, D, E)}) == 3


def test_a_model_that_was_changed_is_refused_with_both_ways_out(site: Site) -> None:
    begun = site.answered(D)
    site.store_has(E, site.plan(D))
    with pytest.raises(NotemillError, match=f"come from the digest {D}, .* now has {E}") as refused:
        site.plan()
    assert f"`digest: {E}`" in refused.value.remedy
    assert f"`digest: {D}`" in refused.value.remedy
    # Both ways out are ways out.
    assert site.plan(E).experiment_id != begun
    assert site.plan(D).experiment_id == begun


def test_the_job_too_refuses_another_model(site: Site) -> None:
    run = site.plan()
    keep_record(site.layout, run, site.store_has(D, run))
    with pytest.raises(NotemillError, match="come from the digest") as refused:
        keep_record(site.layout, run, site.store_has(E, run))
    assert f"delete {site.layout.model(run.model_id)} and" in refused.value.remedy


def test_a_pin_that_is_not_the_models_leaves_no_record(site: Site) -> None:
    run = site.plan(D)
    keep_record(site.layout, run, site.store_has(E, run))
    assert not site.layout.experiments.exists()


def test_the_record_is_written_once_and_private(site: Site) -> None:
    begun = site.answered(D)
    path = site.layout.experiment(begun)
    before = path.read_bytes()
    site.answered(D)
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o600
    assert names_in(site.layout.experiments) == [path.name]


def test_an_edited_task_leaves_old_records_out(site: Site) -> None:
    begun = site.answered(D)
    write_task(site.folder / "tasks", system="You read.")
    assert site.plan().experiment_id != begun
    assert site.plan(E).remarks == ()
    site.answered(E)


def test_a_damaged_record_is_named(site: Site) -> None:
    path = site.layout.experiment(site.answered(D))
    path.write_text("{}")
    with pytest.raises(NotemillError, match="no experiment's record") as refused:
        site.plan()
    assert refused.value.where == str(path)


def test_what_was_asked_is_kept_word_for_word_when_the_task_has_changed_since(site: Site) -> None:
    begun = site.answered(D)
    write_task(site.folder / "tasks", system="You read other notes.")
    record = experiment_record(site.layout, begun)
    assert record
    assert record.asked
    assert record.asked.system_prompt == "You read notes."
    assert record.asked.json_schema["properties"].keys() == {"response", "reason"}
    assert (record.asked.options["seed"], record.asked.options["attempts"]) == (1, 3)


def test_a_record_of_an_older_version_comes_to_say_what_was_asked_and_stays_what_it_is(
    site: Site,
) -> None:
    begun = site.answered(D)
    path = site.layout.experiment(begun)
    kept = json.loads(path.read_text())
    asked = kept.pop("asked")
    path.write_text(json.dumps(kept | {"recorded_at": "long ago"}))
    assert site.answered(D) == begun
    assert json.loads(path.read_text()) == kept | {"recorded_at": "long ago", "asked": asked}

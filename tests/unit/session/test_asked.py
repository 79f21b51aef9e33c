"""What a session asks: what the workflow would, as it stands or with the changes of a trial."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pandas.testing import assert_frame_equal

from notemill import Session
from notemill.answers.slots import keep_slots
from notemill.answers.sweep import Sweep
from notemill.config import read_config
from notemill.config.file import read_config_file
from notemill.errors import EngineRefused, NotemillError
from notemill.files import sha256_of_file
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from notemill.session.asked import Changes, read_asked
from tests.unit.conftest import write_task
from tests.unit.session.conftest import in_site, notes, write_site

SYSTEM = "You read notes of a clinic.\nAnswer with care."
USER = "Does the patient cough?\n\n{note}"
OPTIONS = {"temperature": 0.5, "num_predict": 64}


def test_changes_ask_what_the_same_changes_of_the_files_would(
    new_session: Callable[..., Session], site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same id, as the plan has it, and the same answers from as many tokens."""
    monkeypatch.chdir(site)
    as_is = new_session()
    tried = new_session(system_prompt=SYSTEM + "\n", user_prompt=USER, options=OPTIONS)
    answers = tried.ask(notes(3))

    task = site / "config" / "tasks" / "cough"
    (task / "system.md").write_text(SYSTEM + "\n")
    (task / "user.md").write_text(USER + "\n")
    config = yaml.safe_load((site / "config" / "config.yaml").read_text())
    config["experiments"]["cough"]["options"] |= OPTIONS
    (site / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    edited = new_session()

    (planned,) = plan_runs(read_config_file(site / "config" / "config.yaml"))
    assert tried.experiment_id == edited.experiment_id == planned.experiment_id
    assert as_is.experiment_id != tried.experiment_id
    for session in (tried, edited):
        assert (session.system_prompt, session.user_prompt) == (SYSTEM, USER)
        assert session.options["temperature"] == 0.5
        assert session.options["num_ctx"] == 512
    counted = ["llm_response", "status", "prompt_tokens", "answer_tokens"]
    assert_frame_equal(answers[counted], edited.ask(notes(3))[counted])
    assert (answers["prompt_tokens"] != as_is.ask(notes(3))["prompt_tokens"]).all()


def test_each_change_alone_is_another_experiment(new_session: Callable[..., Session]) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"system_prompt": ""},
        {"user_prompt": "{note}"},
        {"options": {"seed": 2}},
        {"options": {"extra": {"stop": ["."]}}},
    ]
    assert len({new_session(**change).experiment_id for change in changes}) == len(changes)
    same = [{"options": {"seed": 1}}, {"options": {}}, {"system_prompt": "You read notes.\r\n"}]
    assert len({new_session(**change).experiment_id for change in ({}, *same)}) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"experiment": "cold"}, r"no experiment 'cold'\n.*\n.*name one that is there: cough"),
        ({"config": "config.yaml"}, "configuration can't be read: No such file"),
        ({"directory": "/nowhere"}, "configuration can't be read"),
        ({"user_prompt": "Read."}, r"user prompt must hold \{note\} once.*\n.*Session\(user_prom"),
        ({"user_prompt": "{note} {note}"}, "must hold"),
        ({"system_prompt": Path("system.md")}, r"system_prompt is a PosixPath\n.*\n.*read_text"),
        ({"options": ["seed"]}, "options is a list"),
        ({"options": {"temprature": 1}}, r"options\.temprature: unknown key; did you mean 'temp"),
        ({"options": {"temperature": -1}}, r"temperature: (.|\n)*where: Session\(options="),
        ({"options": {"num_predict": 512}}, "num_predict must be smaller than options.num_ctx"),
        ({"options": {"extra": {"seed": 1}}}, "extra: seed"),
    ],
)
def test_what_can_not_be_asked_is_refused_before_an_engine_starts(
    new_session: Callable[..., Session], given: dict[str, Any], words: str
) -> None:
    with pytest.raises(NotemillError, match=words):
        new_session(**given)


def test_the_plans_checks_of_a_task_are_the_sessions(site: Path) -> None:
    write_site(site, "from pydantic import BaseModel\nclass Answer(BaseModel):\n    a: int = 1\n")
    with pytest.raises(NotemillError, match="has a default"):
        Session(**in_site(site))
    write_site(site, answer_prefix="")
    schema = site / "config" / "tasks" / "cough" / "schema.py"
    schema.write_text("from pydantic import BaseModel\nclass Answer(BaseModel):\n    status: int\n")
    with pytest.raises(NotemillError, match="columns status are taken"):
        Session(**in_site(site))


def test_every_relative_path_begins_in_the_given_folder_and_the_process_stays_where_it_is(
    site: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (site / "tiny.gguf").symlink_to(weights_of(site))
    write_site(site, weights="tiny.gguf")
    monkeypatch.chdir(elsewhere)
    for directory in (site, os.path.relpath(site)):
        with Session(**in_site(site, directory=directory)) as session:
            assert set(session.ask(notes(1))["status"]) == {"answered"}
    assert Path.cwd() == elsewhere
    assert not list(elsewhere.iterdir())
    assert (site / "results").is_dir()


def test_a_recorded_model_is_the_one_that_must_be_there(site: Path) -> None:
    layout, asked = Layout(site / "results"), asked_in(site)
    digest = sha256_of_file(weights_of(site))
    record = asked.model(site / "engine.log")
    assert record.digest == digest
    assert not layout.model(asked.run.model_id).exists()
    record.model_copy(update={"digest": "0" * 64}).write(layout.model(asked.run.model_id))
    with pytest.raises(EngineRefused, match=f"{digest}, their record says 0000"):
        ask_once(site)


def test_a_pinned_digest_that_is_not_the_models_is_refused(site: Path) -> None:
    write_site(site, digest="0" * 64)
    with pytest.raises(EngineRefused, match="the experiment pins 0000"):
        ask_once(site)
    write_site(site, digest=sha256_of_file(weights_of(site)))
    ask_once(site)


def test_a_model_that_the_experiments_answers_do_not_come_from_is_refused(site: Path) -> None:
    asked = asked_in(site)
    path = asked.layout.experiment(asked.run.experiment_id)
    path.parent.mkdir(parents=True)
    record = {
        "experiment": asked.run.experiment_id,
        "model": "notemill-tiny",
        "digest": "0" * 64,
        "weights_sha256": "",
        "recorded_at": "2026-01-01",
    }
    path.write_text(json.dumps(record))
    with pytest.raises(NotemillError, match=r"the answers of cough-.* come from the digest 0000"):
        ask_once(site)


def test_an_engine_that_does_not_start_says_where_its_log_is_and_leaves_it(site: Path) -> None:
    broken = site / "broken.gguf"
    broken.write_bytes(weights_of(site).read_bytes()[:200_000])
    write_site(site, weights=str(broken))
    with pytest.raises(NotemillError) as caught:
        ask_once(site)
    (log,) = (site / "results" / "logs" / "session").iterdir()
    assert str(log) in "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert log.stat().st_mode & 0o777 == 0o600
    (site / "broken.gguf").unlink()
    with pytest.raises(EngineRefused, match="the weights of model 'notemill-tiny' are not there"):
        ask_once(site)


def test_slots_are_as_configured_or_as_measured_of_the_experiment_on_this_kind_of_gpu(
    site: Path,
) -> None:
    assert asked_in(site).slots == 2
    write_site(site, slots="auto")
    asked = asked_in(site)
    assert asked.slots == 4
    for gpu, best in (("CPU", 16), ("NVIDIA L40S", 32)):
        done = Sweep(gpu=gpu, steps=[], best=best, ended="", measured_at="")
        keep_slots(asked.layout, "chest", asked.run.experiment_id, done)
    assert asked_in(site).slots == 16


def ask_once(site: Path) -> None:
    with Session(**in_site(site)) as session:
        session.ask(notes(1))


def asked_in(site: Path):  # type: ignore[no-untyped-def]
    path = site / "config" / "config.yaml"
    return read_asked(path, site, "cough", Changes(None, None, None))


def weights_of(site: Path) -> Path:
    config = yaml.safe_load((site / "config" / "config.yaml").read_text())
    return Path(config["engines"]["tiny"]["weights"])


def test_of_several_tasks_one_is_asked_as_the_workflow_asks_it_the_note_first(
    new_session: Callable[..., Session], site: Path
) -> None:
    file = site / "config" / "config.yaml"
    values = yaml.safe_load(file.read_text())
    lungs = values["experiments"].pop("cough")
    del lungs["task"]
    values["experiments"]["lungs"] = lungs | {
        "tasks": ["cough", "fever"],
        "results_table": "{task}",
    }
    file.write_text(yaml.safe_dump(values))
    write_task(site / "config" / "tasks", name="fever")
    with pytest.raises(NotemillError, match=r"several tasks(.|\n)*as lungs\.cough, lungs\.fever$"):
        new_session(experiment="lungs")
    tried = new_session(experiment="lungs.fever", options={"seed": 2})
    values["experiments"]["lungs"]["options"]["seed"] = 2
    planned = plan_runs(read_config(values, directory=site))
    assert tried.experiment_id in {run.experiment_id for run in planned}
    first = tried.ask(notes(1))
    assert set(first["status"]) == {"answered"}
    apart = new_session(experiment="lungs.fever", system_prompt=SYSTEM).ask(notes(1))
    assert apart["prompt_tokens"][0] != first["prompt_tokens"][0]

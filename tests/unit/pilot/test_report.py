"""notemill.pilot.report, notemill.pilot.table and notemill.cli.pilot"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from notemill.__main__ import main
from notemill.answers.sweep import Step
from notemill.config import read_config
from notemill.paths import Layout, journal
from notemill.pilot.record import PilotRecord
from notemill.pilot.report import PilotReport, report_pilots
from notemill.pilot.table import pilot_console, print_pilots
from notemill.plan.runs import plan_runs
from tests.unit.conftest import Clinic, config_values, write_task
from tests.unit.pilot.records import asked_text, record, shard_texts, sweep

STEPS = sweep(
    Step(slots=8, texts=64, seconds=64, watts=203.7),
    Step(slots=16, texts=64, seconds=32, watts=251),
    Step(slots=32, why_not="out of memory"),
    best=16,
    ended="32 slots can't be had: out of memory",
)
FAILED = [
    asked_text(90, status="schema", detail="reason: string_too_long", attempts=3),
    asked_text(91, status="schema", detail="reason: string_too_long", attempts=3),
    asked_text(92, status="too_long", prompt_tokens=0, answer_tokens=0),
    asked_text(93, drawn=False, prompt_tokens=3900),
]


class Study:
    """A cohort of 30 texts in 3 shards, and one experiment over it."""

    def __init__(self, clinic: Clinic) -> None:
        write_task(clinic.folder / "tasks")
        clinic.fill(*((number, f"note {number}") for number in range(30)))
        self.manifest = clinic.extract()
        self.values = config_values(
            results=str(clinic.layout.results), tasks=str(clinic.folder / "tasks")
        )
        self.values["cohorts"]["chest"]["shards"] = 3
        self.values["engines"]["local"]["slots"] = 8
        self.file = clinic.folder / "my.yaml"
        self.layout = clinic.layout

    @property
    def experiment(self) -> str:
        (run,) = plan_runs(read_config(self.values))
        return run.experiment_id

    def piloted(self, **changes: Any) -> PilotRecord:
        """Leave a record of a pilot."""
        texts = [asked_text(n, slots=8) for n in range(20)]
        made = record(
            experiment=self.experiment,
            **{"slots": 8, "sweep": STEPS, "asked": [*texts, *FAILED]} | changes,
        )
        made.write(self.layout.pilot("chest", self.experiment))
        return made

    def report(self, **how: Any) -> PilotReport:
        config = read_config(self.values)
        (report,) = report_pilots(config, plan_runs(config), ["chest"], **how)
        assert isinstance(report, PilotReport)
        return report

    def run(self, *arguments: str) -> int:
        self.file.write_text(yaml.safe_dump(self.values))
        return main(["pilot", "--configfile", str(self.file), *arguments])


@pytest.fixture
def study(clinic: Clinic) -> Study:
    return Study(clinic)


Capture = pytest.CaptureFixture[str]


def test_the_pilot_is_told_with_estimate_and_advice(study: Study, capsys: Capture) -> None:
    study.piloted(shard_texts=shard_texts(beyond_context=4), asked_before=7)
    assert study.run() == 0
    told = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in told.splitlines()]
    for line in (
        f"{study.experiment} over chest",
        "on NVIDIA L40S, 45 GiB: m:1, small 1",
        "asked 24 texts of shard 0000, which has 1,000: 21 answered, 3 failed; "
        "7 of the shard had an answer before",
        "took 4 min; an engine is ready after 30.0 s",
        "prompts 400 tokens (median), 95 % 400, 99 % 400, longest 3,900",
        "beyond num_ctx 4 of 1,000 texts (0.4%)",
        "attempts 22 took 1, 2 took 3",
        "failed: schema 2: say in system.md what schema.py wants of each field",
        "failed: too_long 1: raise num_ctx",
        "slots texts/s gain watts",
        "8 1.00 204 64 texts in 64 s",
        "16 2.00 +100% 251 64 texts in 32 s, taken",
        "32 not to be had: out of memory",
        "slots 8 16 2 texts/s for 1: +100%",
        "num_predict 256 keep the longest answer took 50 tokens",
    ):
        assert line in lines, told
    for word in ("GPU time", "wall time", "num_ctx", "shards", "runtime", "disk"):
        assert any(line.startswith(word) for line in lines)
    assert "To be set where you agree:\n  engines.local.slots: 16\n" in told
    assert "text 0" not in told


def test_a_pipe_gets_whole_lines_without_colours(study: Study, capsys: Capture) -> None:
    why = "it was over " * 40
    study.piloted(sweep=STEPS.model_copy(update={"ended": why}), model="a [bold]model[/bold]")
    assert study.run() == 0
    told = capsys.readouterr().out
    assert why.strip() in told
    assert "a [bold]model[/bold]" in told
    assert "\x1b" not in told
    assert all(line == line.rstrip() for line in told.splitlines())


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_gets_lines_that_fit(study: Study, width: int) -> None:
    study.piloted()
    told = io.StringIO()
    console = Console(file=told, width=width, force_terminal=True, color_system=None)
    print_pilots([study.report()], console)
    assert max(map(len, told.getvalue().splitlines())) <= width
    assert "…" not in told.getvalue()


def test_without_a_record_it_says_what_to_run(study: Study, capsys: Capture) -> None:
    assert study.run() == 0
    assert f"{study.experiment} over chest: run `snakemake pilot`" in capsys.readouterr().out
    study.values["experiments"]["cough"]["pilot"] = {"notes": 0}
    assert study.run() == 0
    assert "`pilot.notes` is 0" in capsys.readouterr().out
    assert study.run("--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["cohort"], "notes" in told["no_pilot"]) == ("chest", True)


def test_a_cohort_and_an_experiment_may_be_named(study: Study, capsys: Capture) -> None:
    study.piloted()
    for names in ([], ["chest"], ["chest", "cough"], ["chest", study.experiment]):
        assert study.run(*names) == 0
        assert "GPU time" in capsys.readouterr().out
    study.values["cohorts"]["ankle"] = study.values["cohorts"]["chest"]
    study.values["experiments"]["cough"]["cohorts"] = ["chest"]
    for names, words in (
        (["lung"], "there is no cohort 'lung'"),
        (["chest", "croup"], "there is no experiment 'croup'"),
        (["ankle", "cough"], "'cough' does not ask cohort 'ankle'"),
        (["ankle"], "no experiment asks cohort 'ankle'"),
        (["--gpus", "0"], "--gpus"),
    ):
        assert study.run(*names) == 1
        assert words in capsys.readouterr().err


def test_json_has_the_record_the_estimate_and_the_advice(study: Study, capsys: Capture) -> None:
    made = study.piloted()
    assert study.run("--json", "--gpus", "3") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["record"] == made.model_dump(mode="json")
    assert told["estimate"]["gpus"] == 3
    assert told["estimate"]["texts"] == 30
    assert told["advised"]["slots"] == 16
    settings = [advice["setting"] for advice in told["advice"]]
    assert settings == ["slots", "num_ctx", "num_predict", "shards", "runtime", "disk"]
    study.piloted(asked=[])
    assert study.run("--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["estimate"] == {"why": "the pilot asked nothing"}


def test_a_damaged_record_is_named(study: Study, capsys: Capture) -> None:
    study.piloted()
    study.layout.pilot("chest", study.experiment).write_text("{}")
    assert study.run() == 1
    assert "this is no pilot's record" in capsys.readouterr().err


def test_texts_with_an_answer_are_not_left(study: Study) -> None:
    """One shard with a result, one with 3 texts in its journal, of which one is there twice."""
    study.piloted()
    first, second, third = study.manifest.shards
    place = study.layout, study.experiment
    result, other = (_answers(*place, entry.name) for entry in (first, second))
    result.parent.mkdir(parents=True)
    result.touch()
    lines = [f'{{"text": "{n:064x}", "job": 1}}\n' for n in (1, 2, 3, 3)]
    journal(other).write_text('{"job": 1, "key": {}}\n' + "".join(lines) + '{"spent": {}}\n')
    told = study.report().estimate
    assert not hasattr(told, "why")
    assert told.texts_left == second.texts - 3 + third.texts


def _answers(layout: Layout, experiment: str, shard: str) -> Path:
    return layout.answers("chest", experiment, "cut-0003", shard)


def test_another_number_of_shards_is_told_before_it_is_cut(study: Study) -> None:
    study.piloted()
    study.values["cohorts"]["chest"]["shards"] = 7
    told = study.report().estimate
    assert not hasattr(told, "why")
    assert (told.jobs, told.texts) == (7, 30)
    study.layout.manifest("chest", "cut-0003").unlink()
    assert study.report().estimate == told


def test_slots_are_the_engines_of_now(study: Study) -> None:
    """Raised after the pilot, the estimate is that of the sweep's step."""
    study.piloted()
    before = study.report().estimate
    study.values["engines"]["local"]["slots"] = 16
    after = study.report()
    assert not hasattr(before, "why")
    assert not hasattr(after.estimate, "why")
    assert after.estimate.rate.text_s[0] == pytest.approx(before.rate.text_s[0] / 2)
    assert after.advice[0].advised is None
    study.values["engines"]["local"]["slots"] = "auto"
    assert study.report().estimate == before


def test_the_page_with_answers_is_named_when_it_is_there(study: Study, capsys: Capture) -> None:
    study.piloted()
    page = study.layout.look("chest", study.experiment)
    study.run()
    assert str(page) not in capsys.readouterr().out
    page.write_text("")
    study.run()
    assert str(page) in capsys.readouterr().out


def test_a_wholly_answered_cohort_has_nothing_to_run(study: Study, capsys: Capture) -> None:
    study.piloted()
    for entry in study.manifest.shards:
        path = _answers(study.layout, study.experiment, entry.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert study.run() == 0
    told = capsys.readouterr().out
    assert "nothing is left to ask" in told
    assert "0 to 0 s" not in told
    assert "wall time" not in told
    assert "run it all" not in told


@pytest.mark.parametrize("asked", [[], [asked_text(1)], FAILED[:3]])
def test_a_pilot_that_tells_little_is_printed_too(
    study: Study, capsys: Capture, asked: list[Any]
) -> None:
    nothing = shard_texts(texts=0, characters=0, squared_characters=0, longest_prompt=0)
    study.piloted(
        asked=asked, shard_texts=nothing, sweep=sweep(), gpu_memory_mib=None, journal_bytes=0
    )
    assert study.run() == 0
    assert "can't tell" in capsys.readouterr().out


def test_what_earlier_jobs_answered_was_not_asked_by_the_pilot(
    study: Study, capsys: Capture
) -> None:
    before = [asked_text(number, slots=0) for number in range(9)]
    study.piloted(asked=before, asked_before=9, sweep=sweep(), engine="", ready_s=0)
    assert study.run() == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "asked 0 texts of shard 0000, which has 1,000: 0 answered, 0 failed; 9 of" in told
    assert "no engine was started asked" in told
    assert "took 4 min prompts" in told


def test_a_workflow_may_print_its_pilots(study: Study, capsys: Capture) -> None:
    study.piloted()
    print_pilots([study.report(runtime=240)], pilot_console())
    assert "240 min" in capsys.readouterr().out

"""Tasks that are asked together: one engine, and each task's answers, failures and time its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.tasks import asked, notes, tasks
from notemill.answers import engines, opening, slots
from notemill.answers.job import answer_shards
from notemill.answers.live import read_live
from notemill.answers.opening import opened
from notemill.answers.shard import read_origin
from notemill.answers.shard_job import ShardJob
from notemill.config import Config, Engine
from notemill.engines.protocol import EngineGone, Question, Reply, Start
from notemill.engines.record import ModelRecord
from notemill.errors import NotemillError
from notemill.paths import live
from notemill.pilot.job import run_pilots
from notemill.pilot.record import read_pilot
from notemill.plan.batches import batches
from notemill.plan.runs import plan_runs
from notemill.report.asked import experiment_asked
from notemill.status.gather import gather
from notemill.tasks.note_first import SYSTEM_MESSAGE
from tests.unit.conftest import ANSWER, Clinic, config, replied, write_task

Says = Callable[[str, str], Reply | Exception]
COUGH, FEVER = "lungs.cough", "lungs.fever"


class Asked:
    """An engine in this process. says: a reply, or what is raised, by task and note."""

    description = "small 1"

    def __init__(self, says: Says) -> None:
        self.says = says
        self.questions: list[Question] = []

    def baseline(self, task: str) -> int:
        return 5

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        self.questions.append(question)
        await asyncio.sleep(0)
        reply = self.says(question.task, question.user.split("\n")[1])
        if isinstance(reply, Exception):
            raise reply
        return reply


class Ward:
    """A cohort of one shard and an experiment `lungs` that asks two tasks about it."""

    def __init__(self, clinic: Clinic, patch: pytest.MonkeyPatch, texts: int = 4) -> None:
        self.clinic, self._patch = clinic, patch
        clinic.fill(*((number, f"note {number}") for number in range(texts)))
        clinic.extract(shards=1)
        for name in ("cough", "fever"):
            write_task(clinic.folder / "tasks", name=name, system=f"About {name}.")

    def config(self, *names: str) -> Config:
        return config(
            tasks=str(self.clinic.folder / "tasks"),
            results=str(self.clinic.layout.results),
            engines={"local": {"kind": "ollama", "models": "/models", "slots": 2}},
            experiments={
                "lungs": {
                    "tasks": list(names or ("cough", "fever")),
                    "engine": "local",
                    "model": "m:1",
                    "results_table": "r_{task}",
                    "attempts": 1,
                }
            },
        )

    def jobs(self, *names: str) -> list[ShardJob]:
        runs = plan_runs(self.config(*names))
        (batch,) = batches(runs, self.clinic.layout)
        record = ModelRecord(
            engine="ollama", model="m:1", digest="d", weights_sha256="w", recorded_at="today"
        )
        record.write(self.clinic.layout.model(runs[0].model_id))
        cut, layout = self.clinic.cut(), self.clinic.layout
        log = layout.log("answer", "chest", batch.name, cut, "0000").with_suffix(".engine.log")
        return [ShardJob(run, layout, "chest", cut, "0000", log, 1) for run in batch.runs]

    def ask(self, says: Says, *names: str, pilot: bool = False) -> Asked:
        """Run the shard's job, or the pilot's; returns the engine, which may not have been
        started."""
        engine = Asked(says)

        @asynccontextmanager
        async def proven(_: Engine, start: Start) -> AsyncIterator[Asked]:
            yield engine

        self._patch.setattr(engines, "proven_engine", proven)
        jobs = self.jobs(*names)
        run = run_pilots if pilot else answer_shards
        run(jobs, [job.run.experiment_id for job in jobs])
        return engine


@pytest.fixture
def ward(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Ward:
    return Ward(clinic, monkeypatch)


def answers(task: str, note: str) -> Reply | Exception:
    return replied(ANSWER)


def nothing_fits(task: str, note: str) -> Reply | Exception:
    return replied("{")


def nothing(task: str, note: str) -> Reply | Exception:
    raise AssertionError("nothing is to be asked")


def test_a_note_is_asked_about_by_all_tasks_in_a_row_and_comes_first(ward: Ward) -> None:
    asked = ward.ask(answers).questions
    assert len(asked) == 8
    assert {question.system for question in asked} == {SYSTEM_MESSAGE}
    by_note: dict[str, list[str]] = {}
    for question in asked:
        before, _, after = question.user.partition("\n</note>\n\n")
        by_note.setdefault(before, []).append(after)
    assert len(by_note) == 4
    for after in by_note.values():
        assert after == [f"About {task}.\n\nRead:\n(the note above)" for task in ("cough", "fever")]


def test_each_task_has_its_own_result_and_the_time_is_shared(ward: Ward) -> None:
    ward.ask(answers)
    cough, fever = (read_origin(job.output) for job in ward.jobs())
    assert (cough.asked, fever.asked, cough.failed, fever.failed) == (4, 4, 0, 0)
    assert cough.experiment.startswith(f"{COUGH}-") and fever.experiment.startswith(f"{FEVER}-")
    for job in ward.jobs():
        with opened(job) as again:
            assert not again.missing()


def test_a_job_of_several_tasks_spends_its_seconds_once(ward: Ward) -> None:
    with opening.opened_together(ward.jobs()) as lead:
        assert [each.journal.share for each in lead.together] == [0.5, 0.5]


def test_a_task_that_fails_hopelessly_stops_no_other(ward: Ward) -> None:
    def fever_fails(task: str, note: str) -> Reply | Exception:
        return replied("{" if task == "fever" else ANSWER)

    with pytest.raises(NotemillError, match=r"^lungs\.fever: ") as refused:
        ward.ask(fever_fails)
    assert "cough" not in refused.value.what
    ward.ask(nothing, "cough")
    (cough,) = (read_origin(job.output) for job in ward.jobs("cough"))
    assert cough.failed == 0


def test_a_job_that_was_killed_asks_each_task_what_it_lacks(ward: Ward) -> None:
    ended: list[tuple[str, str]] = []

    def dies(task: str, note: str) -> Reply | Exception:
        if len(ended) == 5:
            raise KeyboardInterrupt
        ended.append((task, note))
        return replied(ANSWER)

    with pytest.raises(KeyboardInterrupt):
        ward.ask(dies)
    kept = []
    for job in ward.jobs():
        with opened(job) as left:
            kept.append(len(left.journal.answers))
    asked = ward.ask(answers).questions
    assert sum(kept) >= 3
    assert len(asked) == 8 - sum(kept)
    assert [read_origin(job.output).failed for job in ward.jobs()] == [0, 0]


def test_a_lost_engine_asks_again_only_what_had_not_ended(ward: Ward) -> None:
    ended: list[tuple[str, str]] = []

    def lost_once(task: str, note: str) -> Reply | Exception:
        ended.append((task, note))
        return EngineGone("gone") if len(ended) == 4 else replied(ANSWER)

    ward.ask(lost_once)
    assert len(set(ended)) == 8
    assert [read_origin(job.output).failed for job in ward.jobs()] == [0, 0]


def test_a_task_whose_shard_stands_is_left_alone(ward: Ward) -> None:
    ward.ask(answers)
    cough, fever = ward.jobs()
    stands, lost = fever.output, cough.output
    before = stands.stat().st_ino
    lost.unlink()
    ward.ask(nothing)
    assert lost.exists() and stands.stat().st_ino == before


@pytest.mark.parametrize("settles", ["note [0-2]", "note"])
def test_a_pilot_asks_what_the_gate_of_the_first_task_settles(ward: Ward, settles: str) -> None:
    gate = f"gate: {{settle_if: {{few: '{settles}'}}}}"
    (ward.clinic.folder / "tasks" / "cough" / "task.yaml").write_text(gate)
    asked = ward.ask(answers, pilot=True).questions
    whose = Counter(question.task for question in asked)
    assert (whose["cough"], whose["fever"]) == ((1, 4) if "[" in settles else (0, 4))
    records = [read_pilot(job.layout.pilot("chest", job.run.experiment_id)) for job in ward.jobs()]
    assert [len(record.asked) for record in records] == [whose["cough"], whose["fever"]]


def test_each_task_says_which_gpu_and_log_its_job_had(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = SimpleNamespace(name="NVIDIA L40S", memory_mib=None)
    monkeypatch.setattr(slots, "gpu_here", lambda engine: gpu)
    ward.ask(answers)
    lives = [read_live(live(job.output)) for job in ward.jobs()]
    assert [each.gpu for each in lives if each] == ["NVIDIA L40S"] * 2
    (log,) = {each.log for each in lives if each}
    (batch,) = batches(plan_runs(ward.config()), ward.clinic.layout)
    assert log == f"logs/answer/chest/{batch.name}/{ward.clinic.cut()}/0000.log"


def test_a_status_names_the_tasks_that_share_a_job_and_its_log(ward: Ward) -> None:
    with pytest.raises(NotemillError):
        ward.ask(nothing_fits)
    config = ward.config()
    config.cohorts["chest"] = ward.clinic.cohort(shards=1)
    for each, other in zip(
        gather(config, plan_runs(config)).experiments, (FEVER, COUGH), strict=True
    ):
        assert any(f"asked in the same jobs as {other}:" in remark for remark in each.remarks)
        (job,) = each.jobs
        assert "/lungs_" in job.log and job.log.endswith("0000.log")


def test_a_report_has_the_prompts_as_they_were_sent(ward: Ward) -> None:
    (question, *_) = ward.ask(answers).questions
    (run,) = (run for run in plan_runs(ward.config()) if run.task.name == question.task)
    told = experiment_asked(run, ward.clinic.layout, [])
    assert told.system_prompt == question.system
    note = question.user.split("\n")[1]
    assert told.user_prompt.replace("{note}", note) == question.user


@pytest.mark.parametrize("slots", [1, 2])
def test_llama_cpp_reads_a_note_once_for_four_questions(slots: int, tmp_path: Path) -> None:
    """The engine's own count of what it had kept, on the real one."""
    # Apart, all but the system prompt is read for each question: more than nine tenths.
    done = asyncio.run(asked(notes(3, 1_500), tasks(tmp_path, 4), slots, together=True, threads=1))
    assert done.prompt_tokens > 4_000
    assert done.read_tokens < done.prompt_tokens / 2

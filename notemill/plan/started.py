"""How a server that lives on is started, and what it is held to from the clients' side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from notemill.answers.experiment_record import refuse_wrong_model
from notemill.answers.slots import measured_slots
from notemill.endpoints.recording import recorded_model
from notemill.engines.gpu import gpu_here
from notemill.engines.kinds import record_model
from notemill.engines.protocol import Start
from notemill.engines.record import ModelRecord, read_record
from notemill.files import private_folder
from notemill.logs import log
from notemill.paths import Layout
from notemill.plan.servers import Served

_WITHOUT_A_MEASURE = 4


def starts_of(
    asked: Served, layout: Layout, log_file: Path, threads: int, slots: int | None
) -> list[Start]:
    """How each of the engine's `servers` is started. slots: in the place of the configuration's.

    Raises NotemillError for a model that is not there, or not the one that it must be.
    """
    private_folder(log_file.parent)
    engine = asked.engine
    record = _record(asked, layout, lambda: record_model(engine, asked.model, log_file))
    start = _start(asked, record, log_file, threads, slots or _slots(asked, layout))
    return [replace(start, servers=engine.servers, server=n) for n in range(engine.servers)]


def proof_of(asked: Served, layout: Layout, log_file: Path) -> Start:
    """What a server that lives on is held to, from the client's side. Raises as `starts_of`."""
    engine = asked.runs[0].engine
    record = _record(asked, layout, lambda: recorded_model(engine, asked.model, log_file))
    return _start(asked, record, log_file, 1, 1)


def _start(asked: Served, record: ModelRecord, log_file: Path, threads: int, slots: int) -> Start:
    first, *others = asked.runs
    beside = {run.task.name: run.task for run in others if run.task.name != first.task.name}
    options = first.experiment.options
    tasks = tuple(beside.values())
    return Start(first.task, options, record, log_file, threads, slots, beside=tasks)


def _record(asked: Served, layout: Layout, record: Callable[[], ModelRecord]) -> ModelRecord:
    """The model as it is recorded, or as the rule `model` would record it."""
    path = layout.model(asked.runs[0].model_id)
    found = read_record(path) if path.exists() else record()
    for run in asked.runs:
        refuse_wrong_model(layout, run, found)
    return found


def _slots(asked: Served, layout: Layout) -> int:
    """As configured; for auto as measured on this kind of GPU for any of its experiments."""
    engine = asked.engine
    if engine.slots != "auto":
        return engine.slots
    gpu = gpu_here(engine).name
    for run in asked.runs:
        for cohort in run.cohorts:
            if best := measured_slots(layout, cohort, run.experiment_id, gpu, asked.context):
                log.info("slots %d, as measured on %s for %s", best, gpu, run.name)
                return best
    log.warning(
        "no one has measured how many slots are best on %s: %d are taken, which may be far too "
        "few. `slots` of the engine, or --slots, says it; `notemill bench-server` shows what "
        "they bring (docs/pools.md)",
        gpu,
        _WITHOUT_A_MEASURE,
    )
    return _WITHOUT_A_MEASURE

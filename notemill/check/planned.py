"""What a configuration asks for, from files alone: cohorts, experiments, what stands in the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from notemill.check.answer_cost import answer_cost, told_cost, warn_of_cost
from notemill.check.cohorts import check_cohort
from notemill.check.engine_files import engine_files
from notemill.check.finding import Findings, size
from notemill.check.gate import check_gate_on
from notemill.config import Config, Engine, Experiment
from notemill.database.connect import connect
from notemill.errors import NotemillError
from notemill.files import check_folder
from notemill.metrics.token import read_token
from notemill.outputs.delivered import output_paths
from notemill.outputs.origin import check_output
from notemill.paths import CUTS, Layout, cut_name
from notemill.plan.evaluations import check_gold, evaluated_runs
from notemill.plan.runs import plan_runs
from notemill.tasks.others import refuse_everyone
from notemill.tasks.run import Run

_LITTLE_SPACE = 1 << 30
_CHARACTERS_A_TOKEN = 4
_ROOM = 4
"""A note should have one part in so many of the context."""


def planned(config: Config) -> tuple[list[Run], Findings]:
    """All runs whose plan stands, and everything that can be said of the configuration."""
    found = Findings("configuration")
    _results(config, found)
    _database_files(config, found)
    _metrics(config, found)
    for name, cohort in config.cohorts.items():
        check_cohort(config, name, cohort, found)
    runs = list(_runs(config, found))
    for run in runs:
        _experiment(config, run, found)
    for run in {(run.experiment.engine, run.experiment.model): run for run in runs}.values():
        engine_files(config, run, found)
    if len(runs) == len(config.experiments):
        _evaluations(config, runs, found)
    return runs, found


def _metrics(config: Config, found: Findings) -> None:
    if config.metrics is None:
        return
    try:
        read_token(config.metrics)
    except NotemillError as error:
        found.warn(
            f"no metrics will be served: {error.what}",
            where=f"{error.where} (metrics.token_file)",
            remedy=error.remedy,
        )


def _runs(config: Config, found: Findings) -> Iterator[Run]:
    """Each experiment planned by itself, so that one that can't be planned hides no other."""
    planned = {}
    for name, experiment in config.experiments.items():
        try:
            yield from plan_runs(config.model_copy(update={"experiments": {name: experiment}}))
            planned[name] = experiment
        except NotemillError as error:
            found.refused(error, f"nothing else of experiment {name} was looked at")
    try:
        # What only several together show: tables that two would fight over.
        plan_runs(config.model_copy(update={"experiments": planned}))
    except NotemillError as error:
        found.refused(error)


def _evaluations(config: Config, runs: list[Run], found: Findings) -> None:
    for name, evaluation in config.evaluations.items():
        alone = config.model_copy(update={"evaluations": {name: evaluation}})
        try:
            of = ", ".join(run.name for run in evaluated_runs(alone, runs)[name])
            check_gold(alone)
        except NotemillError as error:
            found.refused(error)
        else:
            fields = ", ".join(evaluation.fields)
            gold = evaluation.file or "a query"
            found.ok(f"evaluation {name}: {fields} of {of} against {gold}")


def _results(config: Config, found: Findings) -> None:
    place = config.results.absolute()
    try:
        check_folder(config.results)
        refuse_everyone(config.results)
    except NotemillError as error:
        found.refused(error)
        return
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < _LITTLE_SPACE:
        found.warn(
            f"results: only {size(free)} free",
            where=str(place),
            remedy="free some space or set `results` to a folder with room: it takes a compressed "
            "copy of the notes and, of each answer, about twice its length",
        )
    else:
        found.ok(f"results go to {place}, {size(free)} free")


def _database_files(config: Config, found: Findings) -> None:
    """Option file, certificates and address, as far as nothing is opened."""
    if config.database is None:
        found.ok("no database: notes and answers are in files")
        return
    try:
        connect(config.database).dispose()
    except NotemillError as error:
        found.refused(error)
    else:
        where = "compute nodes" if config.database.reached_from == "compute" else "this machine"
        found.ok(f"database {config.database.url}, reached from {where}")


def _experiment(config: Config, run: Run, found: Findings) -> None:
    experiment, layout = run.experiment, Layout(config.results)
    engine = run.engine
    pilot = f"a pilot of {experiment.pilot.notes} notes" if experiment.pilot.notes else "no pilot"
    pinned = "pinned" if experiment.digest else "not pinned: the first one found is held on to"
    cost = answer_cost(run, layout)
    found.ok(
        f"experiment {run.experiment_id}: {experiment.model} over {', '.join(run.cohorts)}",
        [
            f"engine {experiment.engine} ({engine.kind}), {_slots(engine)}; {pilot}; "
            f"digest {pinned}",
            _goes_to(run),
            *_together(config, run),
            *_evidence(run),
            *_gate(run),
            *told_cost(cost),
            *(_there(config, layout, run, cohort) for cohort in run.cohorts),
        ],
    )
    for remark in run.remarks:
        found.warn(
            remark,
            where=f"experiments.{run.name}",
            remedy="if that is what you want there is nothing to do",
        )
    _files(run, found)
    for cohort in run.cohorts:
        check_gate_on(config, run, cohort, found)
    warn_of_cost(run, cost, found)
    _options(run.name, experiment, len(run.task.system_prompt + run.task.user_prompt), found)


def _goes_to(run: Run) -> str:
    """Where its answers go."""
    tables = [f"table {run.experiment.results_table}"] if run.experiment.results_table else []
    paths = [path for cohort in run.cohorts for path in output_paths(run, cohort)]
    return "answers go to " + ", ".join([*tables, *map(str, paths)])


def _files(run: Run, found: Findings) -> None:
    """Files that its answers could not be written to."""
    for cohort in run.cohorts:
        for path in output_paths(run, cohort):
            try:
                check_output(path.resolve())
            except NotemillError as error:
                found.refused(error)


def _slots(engine: Engine) -> str:
    """What a job starts, or asks."""
    if not engine.computes_here:
        named = engine.endpoints
        place = f"{len(named)} addresses" if isinstance(named, tuple) else str(named)
        return f"endpoints of {place}, no GPU of its own"
    told = f"{engine.slots} slots"
    if engine.servers > 1:
        told += f" on each of {engine.servers} servers"
    if isinstance(engine.classes, list):
        told += f", shorter contexts {', '.join(map(str, engine.classes))}"
    return told


def _together(config: Config, run: Run) -> Iterator[str]:
    """Which tasks the configuration asks beside this one."""
    if name := run.experiment.together:
        others = [
            other
            for other, each in config.experiments.items()
            if each.together == name and other != run.name
        ]
        yield "the note comes first, then the prompts" + (
            f"; one of the tasks of {name}, with {', '.join(others)}" if others else ""
        )


def _evidence(run: Run) -> Iterator[str]:
    """Which field of the answer says where in the note it rests, if the task says so."""
    if evidence := run.task.evidence:
        how = "numbers of the note's sentences" if evidence.numbered else "words of the note"
        yield f"evidence: {evidence.field}, {how}"


def _gate(run: Run) -> Iterator[str]:
    """Which rules the task's gate has, if it has one."""
    if gate := run.task.gate:
        yield f"gate: {gate.place.name}, rules {', '.join(gate.rules)}"


def _there(config: Config, layout: Layout, run: Run, cohort: str) -> str:
    """What of the run's results over a cohort is on disk."""
    cut = cut_name(config.cohorts[cohort].shards)
    done = _count(layout.answers(cohort, run.experiment_id, cut, "0000").parent)
    if layout.load(cohort, run.experiment_id).exists():
        return f"{cohort}: answered and loaded before"
    if done:
        return f"{cohort}: {done} of {config.cohorts[cohort].shards} shards are answered already"
    answers = layout.answers_folder(cohort)
    if any((answers / run.experiment_id).glob(CUTS)):
        return f"{cohort}: begun before; its answers are kept, no shard of this cut is done"
    others = {
        path.name
        for path in answers.glob(f"{run.name}-*")
        if path.name.removeprefix(f"{run.name}-").isalnum()
    }
    if others:
        names = ", ".join(sorted(others)[:3])
        return f"{cohort}: new results, beside those of {names}; every text is asked"
    return f"{cohort}: new results"


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.glob("[0-9]*.parquet"))


def _options(name: str, experiment: Experiment, characters: int, found: Findings) -> None:
    options = experiment.options
    room = options.num_ctx - options.num_predict - characters // _CHARACTERS_A_TOKEN
    if room < options.num_ctx // _ROOM:
        found.warn(
            f"experiment {name}: about {max(room, 0)} of {options.num_ctx} tokens are left for a "
            "note, longer ones fail as too_long",
            where=f"experiments.{name}.options",
            remedy="raise num_ctx or lower num_predict; a pilot tells what your notes need",
        )
    if experiment.max_failed_share == 1:
        found.warn(
            f"experiment {name}: no share of failed notes stops it",
            where=f"experiments.{name}.max_failed_share: 1",
            remedy="leave it out (0.1), so that a prompt or model that fails stops at its first "
            "shards",
        )

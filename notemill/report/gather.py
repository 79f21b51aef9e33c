"""The report of a configuration's runs, from the files they left; the database is not asked."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import notemill
from notemill.audit.record import ESTIMATE, read_estimate
from notemill.clock import now
from notemill.comparison.record import read_comparison
from notemill.comparison.repeat_record import read_repeat
from notemill.config import Config
from notemill.database.keys import POSTGRESQL
from notemill.errors import NotemillError
from notemill.evaluation.record import read_evaluation
from notemill.notes.manifest import Manifest, read_manifest
from notemill.paths import Layout, cut_name
from notemill.report.answered import answered, counted, shards_there
from notemill.report.asked import cohort_read, experiment_asked
from notemill.report.audited import audited
from notemill.report.checklist import checklist
from notemill.report.compared import compared, repeated
from notemill.report.evaluated import evaluated
from notemill.report.methods import methods
from notemill.report.quality import Audited, Compared, Evaluated, Repeated
from notemill.report.record import Answered, CohortRead, Report
from notemill.report.unknown import unknown
from notemill.statistics.figure import DRAWS, LEVEL
from notemill.tasks.run import Run

_LIBRARIES = ("pydantic", "pyarrow", "numpy", "scipy", "rapidfuzz")


def gather(config: Config, runs: Sequence[Run]) -> Report:
    """What there is to report, of a run that is not done too: `missing` says what has yet to come.

    Raises NotemillError for a damaged file.
    """
    return _Gathering(config, runs).report()


class _Gathering:
    def __init__(self, config: Config, runs: Sequence[Run]) -> None:
        self._config = config
        self._runs = runs
        self._layout = Layout(config.results)
        self._smallest = config.report.smallest_cell
        self._missing: list[str] = []
        self._cohorts: dict[str, tuple[Manifest, CohortRead]] = {}
        self._engines: dict[str, set[str]] = {run.experiment_id: set() for run in runs}

    def report(self) -> Report:
        for name in dict.fromkeys(cohort for run in self._runs for cohort in run.cohorts):
            self._read_cohort(name)
        answers = [
            answer
            for run in self._runs
            for cohort in run.cohorts
            if (answer := self._answers(run, cohort)) is not None
        ]
        experiments = [
            experiment_asked(run, self._layout, sorted(self._engines[run.experiment_id]))
            for run in self._runs
        ]
        report = Report(
            title=self._config.report.title or self._title(),
            made_at=now(),
            notemill=notemill.__version__,
            libraries={name: version(name) for name in _LIBRARIES},
            smallest_cell=self._smallest,
            level=LEVEL,
            draws=DRAWS,
            done=False,
            missing=[],
            cohorts=[told for _, told in self._cohorts.values()],
            experiments=experiments,
            answers=answers,
            evaluations=self._evaluations(),
            audits=self._audits(),
            comparisons=self._comparisons(),
            repeats=self._repeats(),
            methods=[],
            checklist=[],
            unknown=[],
        )
        return report.model_copy(
            update={
                "done": not self._missing,
                "missing": self._missing,
                "methods": methods(report),
                "checklist": checklist(report),
                "unknown": unknown(report),
            }
        )

    def _title(self) -> str:
        names = ", ".join(run.name for run in self._runs)
        return f"{names} over {', '.join(self._cohorts) or 'no cohort yet'}"

    def _cut(self, cohort: str) -> str:
        return cut_name(self._config.cohorts[cohort].shards)

    def _read_cohort(self, name: str) -> None:
        path = self._layout.manifest(name, self._cut(name))
        if not path.exists():
            self._missing.append(f"cohort {name} is not extracted")
            return
        manifest = read_manifest(path, of=name)
        self._cohorts[name] = manifest, cohort_read(manifest)

    def _answers(self, run: Run, cohort: str) -> Answered | None:
        if cohort not in self._cohorts:
            return None
        manifest, told = self._cohorts[cohort]
        shards = shards_there(self._layout, manifest, run, self._cut(cohort))
        database = self._config.database if run.experiment.results_table else None
        storing_nul = database is None or database.dialect != POSTGRESQL
        tally = counted(shards, manifest, run, storing_nul=storing_nul)
        self._engines[run.experiment_id] |= tally.engines
        answer = answered(self._layout, told, run, shards, tally, self._smallest)
        whose = f"{run.name} over {cohort}"
        if not shards.whole:
            self._missing.append(f"{shards.of - len(shards.paths)} shards of {whose}")
        elif not answer.loaded:
            self._missing.append(f"the load of {whose}")
        return answer

    def _is_there(self, path: Path, what: str) -> bool:
        if not path.exists():
            self._missing.append(what)
        return path.exists()

    def _evaluations(self) -> list[Evaluated]:
        return [
            evaluated(read_evaluation(path), self._smallest)
            for name in self._config.evaluations
            if self._is_there(path := self._layout.evaluation(name), f"the evaluation {name}")
        ]

    def _comparisons(self) -> list[Compared]:
        records = [
            read_comparison(path)
            for name in self._config.comparisons
            if self._is_there(path := self._layout.comparison(name), f"the comparison {name}")
        ]
        return [compared(of, self._smallest) for of in records if of.cohort in self._cohorts]

    def _repeats(self) -> list[Repeated]:
        return [
            repeated(read_repeat(path), self._smallest)
            for run in self._runs
            for cohort in run.cohorts
            if run.experiment.repeat.notes
            and self._is_there(
                path := self._layout.repeat(cohort, run.experiment_id),
                f"the repeat of {run.name} over {cohort}",
            )
        ]

    def _audits(self) -> list[Audited]:
        """Those that are settled; of others it says that they are not."""
        found = []
        for run in self._runs:
            for cohort in [each for each in run.cohorts if each in self._cohorts]:
                folder = self._layout.audits(cohort, run.experiment_id)
                for design in sorted(path for path in folder.glob("*/") if path.is_dir()):
                    if (design / ESTIMATE).exists():
                        found.append(audited(read_estimate(design / ESTIMATE), self._smallest))
                    else:
                        self._missing.append(f"the readings of audit {design.name} of {run.name}")
        return found


def refuse_unfinished(report: Report) -> None:
    """Raise NotemillError unless all that the configuration asks for is in the report.

    Audits are people's work, so they may come later.
    """
    left = [what for what in report.missing if not what.startswith("the readings of audit")]
    if left:
        raise NotemillError(
            f"the report would lack {'; '.join(left)}",
            where="results",
            remedy="run snakemake with your profile to its end; `notemill report` makes one of "
            "what there is",
        )

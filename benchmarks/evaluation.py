"""How long an evaluation takes: 3,800 gold notes over a small cohort and over a large one.

    python -m benchmarks.evaluation [--notes 5000 1000000] [--gold 3800]

Writes shards of a cohort with two id columns' worth of notes, texts of a clinical note's length and
answers of a choice, a number and a list; then evaluates gold of some of them, half of whose
patients have two notes, by five sites, into SQLite. Prints seconds, wall and CPU, of finding the
notes, of the figures, of all, and the peak memory.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from notemill.evaluation import evaluate as stage
from notemill.evaluation.figures import evaluated_parts
from notemill.evaluation.found import found_answers, found_notes
from tests.unit.conftest import Clinic, write_task
from tests.unit.evaluation.labelled import ANSWER, SCHEMA, Labelled
from tests.unit.loads import Loads

WORDS = "patient denies chest pain dyspnoea fever cough since three days on examination lungs clear"


class Large(Labelled):
    """A cohort of so many notes, made by the database."""

    def __init__(self, clinic: Clinic, notes: int, characters: int) -> None:
        self.clinic = clinic
        self.shards = max(1, notes // 10_000)
        query = (
            "WITH RECURSIVE n(visit) AS (SELECT 1 UNION ALL SELECT visit + 1 FROM n WHERE "
            f"visit < {notes}) SELECT visit, visit || ' ' || text AS note FROM n, body"
        )
        clinic.run("CREATE TABLE body (text)")
        text = " ".join(random.Random(1).choices(WORDS.split(), k=characters // 6))
        clinic.run("INSERT INTO body VALUES (?)", [(text,)])
        clinic.extract(query=query, shards=self.shards)
        self._answer()

    def _answer(self) -> None:

        self.task = write_task(self.clinic.folder / "tasks", SCHEMA)

        def answer_to(text: str, _: str) -> dict[str, Any]:
            number = int(text.split(maxsplit=1)[0])
            return ANSWER | {"response": ["yes", "no", None][number % 3], "age": number % 90}

        self.loads = Loads(self.clinic, self.task, answer_to)
        self.loads.answer()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--notes", type=int, nargs="+", default=[5_000, 1_000_000])
    parser.add_argument("--gold", type=int, default=3_800)
    parser.add_argument("--characters", type=int, default=2_000)
    options = parser.parse_args()
    for notes in options.notes:
        with tempfile.TemporaryDirectory(prefix="notemill-evaluation-") as folder:
            labelled = Large(Clinic(Path(folder)), notes, options.characters)
            _measure(labelled, notes, options.gold)


def _measure(labelled: Large, notes: int, gold: int) -> None:
    rng = random.Random(2)
    rows = [
        f"{visit},{number * 2 // 3},{'abcde'[visit % 5]},{rng.choice(['yes', 'no', 'null'])},"
        f"{rng.randrange(90)},cough;fever"
        for number, visit in enumerate(rng.sample(range(1, notes + 1), gold))
    ]
    labelled.gold("\n".join(["visit,who,site,response,age,findings", *rows]) + "\n")
    print(f"{gold} gold notes over {notes} notes in {labelled.shards} shards", flush=True)
    for fields in (["response"], ["response", "age", "findings"]):
        spent: dict[str, float] = {}
        with (
            mock.patch.object(stage, "found_notes", _timed(found_notes, spent)),
            mock.patch.object(stage, "found_answers", _timed(found_answers, spent)),
            mock.patch.object(stage, "evaluated_parts", _timed(_all_parts, spent)),
        ):
            started = time.monotonic(), time.process_time()
            record = labelled.evaluate(fields=fields, patient="who", subgroups=["site"])
            wall, cpu = time.monotonic() - started[0], time.process_time() - started[1]
        parts = sum(len(f.parts) for each in record.experiments for f in each.fields)
        told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items())
        print(
            f"    {len(fields)} fields in {parts} parts: {wall:.1f} s (CPU {cpu:.1f}); {told}; "
            f"peak memory {_peak():.0f} MiB",
            flush=True,
        )


def _all_parts(*arguments: Any) -> list[Any]:
    return list(evaluated_parts(*arguments))


def _timed(of: Callable[..., Any], spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        started = time.monotonic()
        result = of(*arguments)
        name = of.__name__.strip("_")
        spent[name] = spent.get(name, 0.0) + time.monotonic() - started
        return result

    return timed


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()

"""A cohort with answers, and what any cut of it must hold."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from notemill.answers.journal import Accepted, JournalAtRest, JournalKey, Spent, write_journal
from notemill.answers.outcome import Outcome
from notemill.notes.cut import read_cut
from notemill.notes.manifest import read_frozen
from notemill.notes.shard import Note
from notemill.notes.text import shard_of
from notemill.paths import Layout, cut_name, journal, shard_names, shards_of_cut
from tests.unit.conftest import Clinic
from tests.unit.notes.shards import rows_of

EXPERIMENTS = ["cough-0123456789ab", "fever-0123456789ab"]
NOTES = [(number, f"note {number % 9}" if number else None) for number in range(12)]
TEXTS = sorted(hashlib.sha256(f"note {number}".encode()).hexdigest() for number in range(9))


def accepted(experiment: str, text: str, reason: str, model: str = "m") -> Accepted:
    answer = {"response": "yes", "reason": reason}
    outcome = Outcome(
        "answered", answer, "", 1, "", 20, 10, 0.5, "e 1", "2026-01-01T00:00:00+00:00"
    )
    return Accepted(JournalKey(experiment, model), text, outcome)


def fill_journals(layout: Layout, cohort: str, shards: int, texts: list[str]) -> None:
    """A partial run: answers of all experiments to these texts, with what each shard has cost."""
    for experiment in EXPERIMENTS:
        for number, shard in enumerate(shard_names(shards)):
            path = journal(layout.answers(cohort, experiment, cut_name(shards), shard))
            mine = [text for text in texts if shard_of(bytes.fromhex(text), shards) == number]
            lines = [accepted(experiment, text, f"{experiment} of {text}") for text in mine]
            if lines:
                spent = Spent(1.5, len(lines), 30 * len(lines))
                write_journal(path, lines, {JournalKey(experiment, "m"): spent})


def answers(layout: Layout, cohort: str = "chest") -> dict[str, dict[str, Any]]:
    """By experiment, reasons by text of the only cut there is; each text once, in its shard."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(layout.answers_folder(cohort).rglob("*.journal.jsonl")):
        experiment, cut = path.parts[-3:-1]
        for line in journal_lines(path):
            number = shard_of(bytes.fromhex(line.text_sha256), shards_of_cut(cut))
            assert path.name.startswith(f"{number:04d}.")
            assert line.text_sha256 not in found.setdefault(experiment, {})
            assert line.outcome.answer
            found[experiment][line.text_sha256] = line.outcome.answer["reason"]
    return found


def journal_lines(path: Path) -> list[Accepted]:
    with JournalAtRest(path) as at_rest:
        return list(at_rest.accepted())


def spent(layout: Layout, cohort: str = "chest") -> Counter[str]:
    """What the answers of the only cut have cost, by experiment and kind."""
    total: Counter[str] = Counter()
    for path in layout.answers_folder(cohort).rglob("*.journal.jsonl"):
        with JournalAtRest(path) as at_rest:
            for key, cost in at_rest.spent().items():
                for name, value in vars(cost).items():
                    total[f"{key.experiment} {name}"] += value
    return total


def notes_in_force(clinic: Clinic) -> list[Note]:
    """All notes of the cut in force, each held to its hash, in order."""
    frozen = read_frozen(clinic.layout.frozen("chest"))
    assert frozen
    folder = clinic.layout.notes_folder("chest", cut_name(frozen.cut))
    return [
        note
        for notes in read_cut(folder, frozen.cut, frozen.id_columns)
        for note in rows_of(notes, frozen.id_columns)
    ]


def cuts_on_disk(clinic: Clinic) -> set[str]:
    return {
        part
        for name in clinic.left_behind()
        for part in Path(name).parts
        if part.startswith(("cut-", ".aside"))
    }

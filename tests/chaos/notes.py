"""The notes of a round, the tasks, and the one right answer to each."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.standin.answers import chosen, question_of
from tests.workflow.project import REPOSITORY

UNANSWERABLE = "This note has no answer."
"""The stand-in breaks the schema for a note that says so."""
FAILED = "schema"
"""The status of such a note."""
RESPONSES = (
    "(1) Likely",
    "(2) Unlikely",
    "(3) Unable to say because of lack of information",
)
_FINDINGS = (
    "Clear lungs.",
    "Pneumonia of the left lung.",
    "Small effusion; no consolidation. Größe 🩺.",
    "No change since the last visit.",
)

Id = tuple[str, str]


@dataclass(frozen=True)
class Note:
    """A row of the hospital's table."""

    visit: str
    accession: str
    text: str | None

    @property
    def id(self) -> Id:
        return self.visit, self.accession

    @property
    def asked(self) -> bool:
        """Whether there is anything to ask about."""
        return bool(self.text and self.text.strip())


@dataclass(frozen=True)
class Ending:
    """How a note must end: answered with these values, or failed with this status."""

    status: str
    response: str | None = None
    explanation: str | None = None


def draw_notes(draw: random.Random, count: int) -> list[Note]:
    """So many rows: most with a text of their own, some copied, blank, repeated, not answerable."""
    mark = draw.randrange(10**9)
    notes = []
    for number in range(count):
        text: str | None = f"Visit {number}.\n{draw.choice(_FINDINGS)}\nSeen {number} of {mark}."
        lot = draw.random()
        if lot < 0.02:
            text = draw.choice([None, "  \n"])
        elif lot < 0.05:
            text = f"{UNANSWERABLE}\nSeen {number} of {mark}."
        elif lot < 0.10 and notes:
            text = draw.choice(notes).text
        # Ids that differ by a letter's case, and one that ends in a blank.
        visit = draw.choice(["V{}", "v{}", "V{} "]).format(number // 2)
        notes.append(Note(visit, f"A{number}", text))
    notes += draw.sample(notes, count // 50)
    return notes


def system_prompt(experiment: str) -> str:
    """What the experiment asks; its first line tells it from the others."""
    return (
        f"Question {experiment}.\nYou read one note about one patient. Does it say that the "
        'patient has pneumonia now? Answer in JSON with "response" and "explanation".\n'
    )


def write_tasks(folder: Path, experiments: list[str]) -> Path:
    """A task for each experiment, of the same name."""
    example = REPOSITORY / "config" / "tasks" / "pneumonia"
    for experiment in experiments:
        place = folder / experiment
        place.mkdir(parents=True)
        for name in ("schema.py", "user.md"):
            (place / name).write_text((example / name).read_text())
        (place / "system.md").write_text(system_prompt(experiment))
    return folder


def right_ending(experiment: str, note: Note) -> Ending:
    """How the stand-in's answer to the note makes it end."""
    if not note.asked:
        return Ending("blank")
    assert note.text is not None
    if UNANSWERABLE in note.text:
        return Ending(FAILED)
    question = question_of(system_prompt(experiment), note.text)
    return Ending("answered", RESPONSES[chosen(question, len(RESPONSES))], question)


def right_endings(experiments: list[str], notes: list[Note]) -> dict[str, dict[Id, Ending]]:
    """By experiment and note."""
    return {
        experiment: {note.id: right_ending(experiment, note) for note in notes}
        for experiment in experiments
    }


def sha256(text: str) -> str:
    """A text's name in journals and tables."""
    return hashlib.sha256(text.encode()).hexdigest()


def questions(experiments: list[str], notes: list[Note]) -> Iterator[tuple[str, str, str]]:
    """The ledger's name of each question that has an answer, its experiment and its text's hash."""
    for experiment in experiments:
        for text in {note.text for note in notes if note.asked and note.text}:
            if UNANSWERABLE not in text:
                yield question_of(system_prompt(experiment), text), experiment, sha256(text)

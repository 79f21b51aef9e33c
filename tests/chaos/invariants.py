"""What must hold when a round has ended, over values: each breach is named, with where it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from tests.chaos.journals import Line
from tests.chaos.ledger import Asked, AskedAgain, Loss, asked_again, times
from tests.chaos.notes import Ending, Id

Kind = Literal[
    "lost", "doubled", "changed", "invented", "asked again", "left behind", "never ended", "torn"
]


@dataclass(frozen=True)
class Breach:
    """Something that must not be. what: in words, with ids of made-up notes."""

    kind: Kind
    what: str


@dataclass(frozen=True)
class Row:
    """A note's row in the database. experiment: its name; run: the experiment's id."""

    id: Id
    experiment: str
    run: str
    cohort: str
    text_sha256: str
    status: str
    response: str | None = None
    explanation: str | None = None


@dataclass
class Found:
    """All that a round has left.

    counts: rows of the experiments table, by run. left: what lies or runs where nothing should.
    answerable: the ledger's questions, each with its experiment's name and its text's hash.
    """

    rows: list[Row]
    counts: dict[str, dict[str, int]]
    journals: list[Line]
    requests: list[Asked]
    losses: list[Loss]
    left: list[str]
    answerable: dict[str, tuple[str, str]]
    again: list[AskedAgain] = field(default_factory=list)


def breaches(
    right: Mapping[str, Mapping[Id, Ending]],
    texts: Mapping[Id, str],
    cohort: str,
    found: Found,
) -> list[Breach]:
    """Everything that is not as it must be.

    right: how each note must end, by experiment; texts: the hash of each note's text.
    """
    return [
        *_of_rows(right, texts, cohort, found.rows),
        *_of_counts(right, found),
        *_of_journals(right, texts, found.journals),
        *_of_requests(found),
        *(Breach("left behind", what) for what in found.left),
    ]


def _of_rows(
    right: Mapping[str, Mapping[Id, Ending]],
    texts: Mapping[Id, str],
    cohort: str,
    rows: Iterable[Row],
) -> list[Breach]:
    made: list[Breach] = []
    seen: dict[tuple[str, Id], list[Row]] = defaultdict(list)
    for row in rows:
        seen[row.experiment, row.id].append(row)
    for (experiment, note), several in seen.items():
        where = f"{experiment} {note}"
        wanted = right.get(experiment, {}).get(note)
        if wanted is None or any(row.cohort != cohort for row in several):
            made.append(Breach("invented", f"{where}: no such note was asked about"))
            continue
        if len(several) > 1:
            made.append(Breach("doubled", f"{where}: {len(several)} rows"))
        made += [breach for row in several if (breach := _of_row(row, wanted, texts[note], where))]
    for experiment, endings in right.items():
        made += [
            Breach("lost", f"{experiment} {note}: no row")
            for note in endings
            if (experiment, note) not in seen
        ]
        if len(runs := {row.run for row in rows if row.experiment == experiment}) > 1:
            made.append(Breach("doubled", f"{experiment}: rows of several runs: {sorted(runs)}"))
    return made


def _of_row(row: Row, wanted: Ending, text: str, where: str) -> Breach | None:
    if row.status == "answered" != wanted.status:
        return Breach("invented", f"{where}: an answer, and it must end as {wanted.status}")
    if row.status != wanted.status:
        return Breach("lost", f"{where}: {row.status}, and it must end as {wanted.status}")
    if (row.response, row.explanation) != (wanted.response, wanted.explanation):
        return Breach(
            "changed",
            f"{where}: {(row.response, row.explanation)} in the place of "
            f"{(wanted.response, wanted.explanation)}",
        )
    if row.text_sha256 != text:
        return Breach("changed", f"{where}: the row is of another text")
    return None


def _of_counts(right: Mapping[str, Mapping[Id, Ending]], found: Found) -> list[Breach]:
    made = []
    for experiment, endings in right.items():
        statuses = Counter(each.status for each in endings.values())
        answered, blank = statuses["answered"], statuses["blank"]
        wanted = {
            "notes": len(endings),
            "answered": answered,
            "failed": len(endings) - answered - blank,
            "blank": blank,
        }
        for run in {row.run for row in found.rows if row.experiment == experiment}:
            told = {name: found.counts.get(run, {}).get(name) for name in wanted}
            if told != wanted:
                made.append(Breach("changed", f"{experiment}: counts {told}, not {wanted}"))
    return made


def _of_journals(
    right: Mapping[str, Mapping[Id, Ending]], texts: Mapping[Id, str], journals: Iterable[Line]
) -> list[Breach]:
    made = []
    accepted = Counter((line.experiment, line.text_sha256) for line in journals)
    made += [
        Breach("asked again", f"{run}: text {text[:8]} accepted {count} times")
        for (run, text), count in accepted.items()
        if count > 1
    ]
    by_text = {
        (experiment, texts[note]): ending
        for experiment, endings in right.items()
        for note, ending in endings.items()
    }
    for line in journals:
        name = line.experiment.rpartition("-")[0]
        ending = by_text.get((name, line.text_sha256))
        wanted: dict[str, Any] = {}
        if ending and ending.status == "answered":
            wanted = {"response": ending.response, "explanation": ending.explanation}
        if line.answer != wanted:
            made.append(Breach("changed", f"{line.journal}: text {line.text_sha256[:8]} of {name}"))
    return made


def _of_requests(found: Found) -> list[Breach]:
    """Rules 1 to 3 of ledger.py."""
    found.again = asked_again(found.requests, found.losses, found.answerable)
    made = [
        Breach("asked again", f"{_named(found, each.question)} at {each.at:.3f}: nothing was lost")
        for each in found.again
        if each.loss is None
    ]
    accepted = {
        (line.experiment.rpartition("-")[0], line.text_sha256): line.at for line in found.journals
    }
    for question, asked in times(found.requests).items():
        at = accepted.get(found.answerable.get(question, ("", "")))
        # The journal tells whole seconds.
        late = [when for when in asked if at is not None and when >= at + 1]
        made += [
            Breach("asked again", f"{_named(found, question)} at {when:.3f}: answered at {at:.0f}")
            for when in late
        ]
    return made


def _named(found: Found, question: str) -> str:
    experiment, text = found.answerable[question]
    return f"{experiment} text {text[:8]}"


def as_json(breach: Breach) -> dict[str, str]:
    """For the file of all rounds."""
    return asdict(breach)

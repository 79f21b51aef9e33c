"""When who is killed, drawn from the seed before a round begins."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

KINDS = {"mariadb": 10, "postgres": 3, "pool": 4, "model": 1}
"""Kinds of rounds, and how often they come. The database is MariaDB but of postgres; the engine is
the stand-in but of model, which asks the shipped one; a pool's servers live on."""
VICTIMS = {
    "driver": 2,
    "job": 3,
    "python": 3,
    "engine": 12,
    "runner": 12,
    "slurmd": 1,
    "slurmctld": 2,
    "slurmdbd": 2,
    "database": 5,
    "server": 2,
    "disk": 2,
    "stopped": 12,
    "two drivers": 1,
}
"""Who is hit, and how often: more often who costs little, as an interpreter's start takes long."""
LOSES_ANSWERS = {"job", "python", "engine", "runner", "slurmd", "server", "disk"}
"""Whose end may lose answers in flight; that of no other may have a note asked again."""
STAGES = ("extract", "pilot_job", "answer", "load", "report")
"""Rules whose script a step may wait for, in the order of a run."""
_MOMENTS = {"any": 5, "extract": 1, "pilot_job": 1, "answer": 14, "load": 2, "report": 1}
_ONLY = {"runner": {"mariadb", "postgres", "pool"}, "server": {"pool"}}
_OF_STAGES = {
    "extract": {"driver", "slurmctld", "slurmdbd", "database", "disk", "stopped", "two drivers"},
    "pilot_job": set(VICTIMS),
    "answer": set(VICTIMS) - {"database"},
    "load": {"driver", "database", "disk", "stopped", "two drivers"},
    "report": {"driver", "database", "disk", "stopped", "two drivers"},
    "any": set(VICTIMS),
}
"""Whom it makes sense to hit while a rule's script runs."""


@dataclass(frozen=True)
class Step:
    """At a moment, so many seconds after it, these victims at once.

    moment: a rule, whose script must be running, or `any`. lot: from 0 to 1, settles all that is
    open (which job, in which way). lasts_s: how long something is stopped, full or away.
    """

    moment: str
    wait_s: float
    victims: tuple[str, ...]
    lot: float
    lasts_s: float


@dataclass(frozen=True)
class Plan:
    """A round before it begins. notes: rows of the table; shards: of the cohort."""

    seed: int
    number: int
    kind: str
    notes: int
    shards: int
    experiments: tuple[str, ...]
    answer_s: float
    steps: tuple[Step, ...]


def draw_plan(
    seed: int,
    number: int,
    *,
    kills: int,
    kinds: Collection[str] = tuple(KINDS),
    victims: Collection[str] = tuple(VICTIMS),
) -> Plan:
    """The same for the same arguments. victims: who may be hit at all; kills: steps."""
    draw = random.Random(f"{seed} {number}")
    kind = _drawn(draw, {name: KINDS[name] for name in KINDS if name in kinds})
    possible = {
        name: weight
        for name, weight in VICTIMS.items()
        if name in victims and kind in _ONLY.get(name, KINDS)
    }
    steps = [_step(draw, possible) for _ in range(kills)] if possible else []
    return Plan(
        seed=seed,
        number=number,
        kind=kind,
        notes=draw.randrange(160, 320) if kind != "model" else 60,
        shards=draw.choice([1, 2, 2]) if kind != "model" else 2,
        experiments=("first", "second") if kind != "model" else ("pneumonia",),
        answer_s=draw.choice([0.6, 0.9, 1.2]),
        steps=_in_order(draw, steps),
    )


def _step(draw: random.Random, possible: dict[str, int]) -> Step:
    moments = {
        moment: weight
        for moment, weight in _MOMENTS.items()
        if _OF_STAGES[moment] & possible.keys()
    }
    moment = _drawn(draw, moments)
    fitting = {
        name: possible[name] for name in VICTIMS if name in possible.keys() & _OF_STAGES[moment]
    }
    hit = [_drawn(draw, fitting)]
    others = {name: weight for name, weight in fitting.items() if name != hit[0]}
    if others and draw.random() < 0.15:
        hit.append(_drawn(draw, others))
    wait = draw.random() * 1.5
    return Step(moment, wait, tuple(hit), draw.random(), 0.3 + 2.5 * draw.random())


def _in_order(draw: random.Random, steps: Sequence[Step]) -> tuple[Step, ...]:
    """By their stages, those of any moment in between."""
    places = {stage: place for place, stage in enumerate(STAGES)}
    placed = [(places.get(step.moment, 3.5 * draw.random()), step) for step in steps]
    return tuple(step for _, step in sorted(placed, key=lambda each: each[0]))


def _drawn(draw: random.Random, weights: dict[str, int]) -> str:
    return draw.choices(list(weights), list(weights.values()))[0]

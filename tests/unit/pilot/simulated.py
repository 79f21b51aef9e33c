"""Clinics whose texts cost what a model of costs says, pilots over them, and what they take."""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass

import numpy as np

from notemill.answers.sweep import Step, Sweep
from notemill.pilot.record import AskedText, PilotRecord, ShardTexts

READY_S = 12.0
_AN_EXPONENT = 0.3
"""Of what a text takes over the number of slots beside it: more slots answer more."""


@dataclass
class Clinic:
    """A cohort's texts: lengths, tokens, and what each takes an engine with one slot."""

    characters: np.ndarray
    prompt_tokens: np.ndarray
    answer_tokens: np.ndarray
    seconds: np.ndarray

    def __len__(self) -> int:
        return len(self.characters)


def clinic(
    seed: int,
    *,
    texts: int = 4000,
    spread: float = 0.7,
    answers: float = 0.3,
    prompt_s: float = 2e-4,
) -> Clinic:
    """Lengths and answers are lognormal with these spreads; an answer's token takes 20 ms, a
    prompt's `prompt_s`."""
    dice = np.random.default_rng(seed)
    characters = np.exp(dice.normal(7.8, spread, texts)).astype(int) + 1
    prompt = 150 + characters // 4
    answer = np.maximum(dice.lognormal(4.2, answers, texts), 3).astype(int)
    noise = dice.lognormal(0, 0.05, texts)
    return Clinic(characters, prompt, answer, (prompt_s * prompt + 0.02 * answer) * noise)


def ends(seconds: np.ndarray, slots: int) -> tuple[np.ndarray, np.ndarray]:
    """When each text ended, and how long from its turn, with slots + 1 in flight."""
    taking = seconds * slots**_AN_EXPONENT
    slots_free = [0.0] * slots
    workers_free = [0.0] * (slots + 1)
    ended, waited = np.empty(len(taking)), np.empty(len(taking))
    for number, takes in enumerate(taking):
        turn = heapq.heappop(workers_free)
        end = max(turn, heapq.heappop(slots_free)) + takes
        heapq.heappush(slots_free, end)
        heapq.heappush(workers_free, end)
        ended[number], waited[number] = end, end - turn
    return ended, waited


def job_seconds(clinic: Clinic, slots: int, shards: int) -> float:
    """What all jobs over the cohort take together."""
    return sum(
        READY_S + float(ends(part, slots)[0].max())
        for part in np.array_split(clinic.seconds, shards)
    )


def pilot(clinic: Clinic, shards: int, *, notes: int, slots: tuple[int, ...]) -> PilotRecord:
    """A pilot over the first shard: a step for each number of slots, of which the last is taken;
    one number makes no sweep. notes: texts of a step, as pilot.notes says."""
    shard = np.array_split(np.arange(len(clinic)), shards)[0]
    asked: list[AskedText] = []
    steps: list[tuple[Step, np.ndarray]] = []
    first = 0
    for number in slots:
        count = notes if len(slots) == 1 else max(notes, 3 * number) + 2 * number + 1
        texts = shard[first : first + count]
        first += count
        ended, waited = ends(clinic.seconds[texts], number)
        asked += [
            _asked(clinic, text, number, took) for text, took in zip(texts, waited, strict=True)
        ]
        order = np.argsort(ended)
        steady = order[number : len(order) - number - 1]
        window = ended[steady[-1]] - ended[order[number - 1]]
        steps.append((Step(slots=number, texts=len(steady), seconds=window), texts[steady]))
    characters = clinic.characters[shard]
    return PilotRecord(
        experiment="e-0",
        cohort="chest",
        model="m",
        model_digest="0",
        engine="small 1",
        host="node",
        gpu="GPU",
        gpu_memory_mib=1024,
        gpus=None,
        slots=slots[-1],
        sweep=Sweep(
            gpu="GPU",
            steps=_evened(clinic, steps, asked) if len(slots) > 1 else [],
            best=slots[-1] if len(slots) > 1 else None,
            ended="",
            measured_at="",
        ),
        ready_s=READY_S,
        shard="0000",
        shard_texts=ShardTexts(
            texts=len(shard),
            characters=int(characters.sum()),
            squared_characters=int((characters.astype(float) ** 2).sum()),
            beyond_context=0,
            longest_prompt=int(clinic.prompt_tokens[shard].max()),
        ),
        asked_before=0,
        asked=asked,
        journal_bytes=300,
        notemill="0",
        made_at="",
        seconds=100,
    )


def _asked(clinic: Clinic, text: int, slots: int, seconds: float) -> AskedText:
    return AskedText(
        text_sha256=hashlib.sha256(str(text).encode()).hexdigest(),
        characters=int(clinic.characters[text]),
        drawn=True,
        status="answered",
        detail="",
        attempts=1,
        changes="",
        prompt_tokens=int(clinic.prompt_tokens[text]),
        answer_tokens=int(clinic.answer_tokens[text]),
        seconds=round(float(seconds), 3),
        slots=slots,
    )


def _evened(
    clinic: Clinic, steps: list[tuple[Step, np.ndarray]], asked: list[AskedText]
) -> list[Step]:
    """The sweep's own comparison: each step's rate at the average text of all steps."""
    tokens = np.column_stack([clinic.prompt_tokens, clinic.answer_tokens]).astype(float)
    average = np.concatenate([tokens[texts] for _, texts in steps]).mean(axis=0)
    waited = {text.text_sha256: text.seconds for text in asked}
    evened = []
    for step, texts in steps:
        seconds = np.array([waited[hashlib.sha256(str(t).encode()).hexdigest()] for t in texts])
        own = tokens[texts].mean(axis=0)
        slopes, *_ = np.linalg.lstsq(tokens[texts] - own, seconds - seconds.mean(), rcond=None)
        expected = seconds.mean() + float((average - own) @ slopes)
        even = step.texts / step.seconds * seconds.mean() / expected
        evened.append(step.model_copy(update={"even_per_s": even}))
    return evened

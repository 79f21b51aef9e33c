"""The texts of a pilot's shard: how long they are, and which are its longest and shortest."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from notemill.answers.classes import LengthClass
from notemill.answers.classing import Classing
from notemill.answers.verdict import Status
from notemill.answers.work import ShardWork
from notemill.notes.shard import read_notes
from notemill.pilot.record import AskedText, ClassTexts, ShardTexts


def lengths_of(work: ShardWork) -> dict[str, int]:
    """Characters of each text that is to be asked, by hash, in the shard's order."""
    lengths: dict[str, int] = {}
    for note in read_notes(work.job.notes, work.manifest.id_columns, with_text=True):
        text_sha256 = note.text_sha256.hex()
        if text_sha256 in work.wanted and note.text is not None:
            lengths[text_sha256] = len(note.text)
    return lengths


def extremes(lengths: dict[str, int], missing: set[str], count: int) -> set[str]:
    """The longest and the shortest of the missing texts, so many of each."""
    by_length = sorted(missing, key=lambda sha: (lengths[sha], sha))
    return {*by_length[:count], *by_length[len(by_length) - count :]}


def shard_texts(
    lengths: dict[str, int], asked: Iterable[AskedText], *, num_ctx: int, num_predict: int
) -> ShardTexts:
    """What the texts of the shard come to; tokens as counted, or by those that were counted."""
    by_sha = {text.text_sha256: text for text in asked}
    characters = np.fromiter(lengths.values(), dtype=np.float64, count=len(lengths))
    prompts = _prompts(characters, [text for text in by_sha.values() if text.prompt_tokens])
    for number, sha in enumerate(lengths):
        if (text := by_sha.get(sha)) and text.prompt_tokens:
            prompts[number] = text.prompt_tokens
        elif text and text.status == Status.TOO_LONG:  # the engine did not count it
            prompts[number] = max(prompts[number], num_ctx)
    return ShardTexts(
        texts=len(characters),
        characters=int(characters.sum()),
        squared_characters=int((characters**2).sum()),
        beyond_context=int((prompts + num_predict > num_ctx).sum()),
        longest_prompt=int(prompts.max(initial=0)),
    )


def class_texts(
    classing: Classing, plan: list[LengthClass], lengths: dict[str, int]
) -> list[ClassTexts]:
    """How the shard's texts fall into classes, those without any left out."""
    found = []
    left = set(lengths)
    for each in plan:
        fits = classing.fitting(each.context, left)
        left -= fits
        characters = sum(lengths[sha] for sha in fits)
        found.append(
            ClassTexts(
                context=each.context, slots=each.slots, texts=len(fits), characters=characters
            )
        )
    return [each for each in found if each.texts]


def _prompts(characters: np.ndarray, asked: list[AskedText]) -> np.ndarray:
    """Tokens of each text's prompt: a straight line through those that the engine counted."""
    known = np.array([(1, text.characters) for text in asked], dtype=np.float64).reshape(-1, 2)
    tokens = np.array([text.prompt_tokens for text in asked], dtype=np.float64)
    line = np.linalg.lstsq(known, tokens, rcond=None)[0] if len(asked) else np.zeros(2)
    return np.asarray(np.maximum(line[0] + line[1] * characters, 0))

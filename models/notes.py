"""Synthetic chest X-ray and clinic notes with gold answers to two questions. Pure Python, seeded.

>>> note = draw(1, seed=0)[0]
>>> note.answers["pneumonia"].response in RESPONSES
True
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from models.templates import ASIDES, CONDITIONS, FILLER, JOINT, LAYOUTS, SPLITS, STATEMENTS, WORDS

LIKELY = "(1) Likely"
UNLIKELY = "(2) Unlikely"
UNABLE = "(3) Unable to say because of lack of information"
RESPONSES = (LIKELY, UNLIKELY, UNABLE)

NOT_ADDRESSED = "The note does not address it"
"""The gold explanation where no statement of the note decides."""

RESPONSE_OF_KIND = {
    "present": LIKELY,
    "denied": UNLIKELY,
    "resolved": UNLIKELY,
    "other": UNLIKELY,
    "open": UNABLE,
}
"""The kinds of statement that decide an answer, and the answer."""

MAX_CHARS = 2000
"""No note is longer, in characters."""

MAX_QUOTE_WORDS = 20
"""No explanation has more: the prompts ask for that."""

_ASIDE_SHARE = 0.25
_CASE_WEIGHTS = (82, 12, 6)  # as is, lower, upper
_END_MARK = "\0"
_KINDS = ("present", "denied", "resolved", "other", "open", "none")
_KIND_WEIGHTS = (33, 19, 7, 7, 15, 19)
_FILLER_COUNTS = ((0, 1), (2, 4), (5, 12), (13, 60))
_FILLER_WEIGHTS = (30, 48, 17, 5)


@dataclass(frozen=True)
class Answer:
    """A gold answer; `explanation` stands in the note word for word, or is NOT_ADDRESSED."""

    response: str
    explanation: str


@dataclass(frozen=True)
class Note:
    """A note, its gold answer to each condition's question, and where they come from.

    `kinds` gives each condition's deciding kind of statement (a key of RESPONSE_OF_KIND) or, where
    none decides, "past", "mention" or "absent" for what the note has instead. `patterns` are the
    patterns that the note was made from. `statements` gives for each of the note's statements the
    place in `text` where it ends and what kind it is of for each condition that it is about.
    """

    text: str
    answers: dict[str, Answer]
    kinds: dict[str, str]
    patterns: tuple[str, ...]
    statements: tuple[tuple[int, dict[str, str]], ...]


def draw(count: int, seed: int, split: str = "held_out") -> list[Note]:
    """Return `count` notes made from one split's patterns; the same arguments, the same notes."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is none of {', '.join(SPLITS)}")
    rng = random.Random(f"{split} {seed}")
    return [_note(rng, split) for _ in range(count)]


@cache
def patterns(block: str, condition: str = "") -> tuple[str, ...]:
    """Return the patterns of one block of templates.py that may be used for a condition."""
    found = []
    for line in filter(None, map(str.strip, block.splitlines())):
        owner, colon, rest = line.partition(": ")
        if not colon or owner not in CONDITIONS:
            found.append(line)
        elif owner == condition:
            found.append(rest)
    return tuple(found)


@dataclass
class _Statement:
    text: str
    kinds: dict[str, str]  # what it says, by condition
    decides: tuple[str, ...] = ()  # the conditions it decides


def _note(rng: random.Random, split: str) -> Note:
    used: list[str] = []
    kinds = {c: rng.choices(_KINDS, _KIND_WEIGHTS)[0] for c in CONDITIONS}
    context: list[_Statement] = []
    body: list[_Statement] = []
    decision: list[_Statement] = []

    def make(blocks: dict[str, str], kinds: dict[str, str], *decides: str) -> _Statement:
        text, pattern = _sentence(rng, blocks, next(iter(kinds)) if len(kinds) == 1 else "", split)
        used.append(pattern)
        if kinds and split == "train" and rng.random() < _ASIDE_SHARE:
            text = _aside(rng, text)
        return _Statement(text, kinds, decides)

    def say(kind: str, condition: str, *decides: str) -> _Statement:
        return make(STATEMENTS[kind], {condition: kind}, *decides)

    def fill() -> _Statement:
        return make(FILLER, {})

    joint = JOINT.get(tuple(kinds.values()))  # type: ignore[arg-type]
    if joint and rng.random() < 0.25:
        decision.append(make(joint, dict(kinds), *CONDITIONS))
    for condition, kind in kinds.items():
        if kind == "none":
            kinds[condition] = kind = rng.choice(("past", "mention", "absent"))
        if kind in RESPONSE_OF_KIND and not any(condition in s.decides for s in decision):
            decision.append(say(kind, condition, condition))
        if kind in ("present", "denied", "other") and rng.random() < 0.12:
            body.append(say("open", condition))  # overruled by the decision
        for extra in ("past", "mention"):
            if kind == extra or (kind != "absent" and rng.random() < 0.15):
                context.append(say(extra, condition))

    low, high = rng.choices(_FILLER_COUNTS, _FILLER_WEIGHTS)[0]
    fillers = [fill() for _ in range(rng.randint(low, high))]
    if not (decision or body or context or fillers):
        fillers.append(fill())
    for part in (decision, body, context):
        rng.shuffle(part)
    layout = rng.choice(patterns(LAYOUTS[split]))
    used.append(layout)
    layout = _choose(rng, layout)
    noise = _Noise(rng)
    while True:
        sections = {"context": context, "body": _mixed(rng, body, fillers), "decision": decision}
        text, quotes, ends = _write(rng, layout, sections, noise)
        if len(text) <= MAX_CHARS:
            break
        fillers.pop()
    answers = {
        c: Answer(RESPONSE_OF_KIND.get(kinds[c], UNABLE), quotes.get(c, NOT_ADDRESSED))
        for c in CONDITIONS
    }
    return Note(text, answers, kinds, tuple(used), ends)


def _mixed(rng: random.Random, *parts: list[_Statement]) -> list[_Statement]:
    whole = [statement for part in parts for statement in part]
    rng.shuffle(whole)
    return whole


def _sentence(
    rng: random.Random, blocks: dict[str, str], condition: str, split: str
) -> tuple[str, str]:
    """Return a sentence of one split's block, and its pattern.

    No training sentence is one that another split's pattern could have made.
    """
    while True:
        pattern = rng.choice(patterns(blocks[split], condition))
        text = _fill(rng, pattern, condition)
        if split != "train" or not any(
            one.fullmatch(text)
            for other in SPLITS
            if other != split
            for one in _recognizers(blocks[other], condition)
        ):
            return text, pattern


def _fill(rng: random.Random, pattern: str, condition: str) -> str:
    pattern = _choose(rng, pattern)
    text = re.sub(r"\{(\w+)\}", lambda slot: rng.choice(_words(slot[1], condition)), pattern)
    text = re.sub(r" +(?=[ .,;:]|$)", "", text).strip()
    return text[:1].upper() + text[1:]


def _choose(rng: random.Random, pattern: str) -> str:
    """Return the pattern with one part of each [this|that], inner choices first."""
    while choice := re.search(r"\[([^][]*)\]", pattern):
        part = rng.choice(choice[1].split("|"))
        pattern = pattern[: choice.start()] + part + pattern[choice.end() :]
    return pattern


def _words(slot: str, condition: str) -> list[str]:
    if slot in ("p", "e"):
        return CONDITIONS["pneumonia" if slot == "p" else "pleural_effusion"]["dx"]
    return CONDITIONS.get(condition, {}).get(slot) or WORDS[slot]


@cache
def _recognizers(block: str, condition: str) -> tuple[re.Pattern[str], ...]:
    """Return what matches the sentences that the patterns can make (patterns without choices)."""

    def expression(part: str) -> str:
        if part[0] != "{":
            return re.escape(part)
        return f"(?:{'|'.join(map(re.escape, _words(part[1:-1], condition)))})"

    return tuple(
        re.compile("".join(map(expression, re.findall(r"\{\w+\}|[^{]+", pattern))), re.IGNORECASE)
        for pattern in patterns(block, condition)
    )


def _aside(rng: random.Random, text: str) -> str:
    """Return a sentence with words around it that change nothing, if it stays short enough."""
    core = text.removesuffix(".")
    before, after = _fill(rng, rng.choice(patterns(ASIDES)).replace("{}", "\0"), "").split("\0")
    if before and core[1:2].islower():
        core = core[0].lower() + core[1:]
    longer = before + core + after
    return longer if len(longer.split()) <= MAX_QUOTE_WORDS else text


class _Noise:
    """How one note is typed: its letter case, its typing errors, its full stops."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.typo_rate = rng.choice((0.04, 0.08)) if rng.random() < 0.2 else 0.0
        self.case = rng.choices(("as is", "lower", "upper"), _CASE_WEIGHTS)[0]
        self.drop_stop = rng.random() < 0.1

    def __call__(self, text: str) -> str:
        if self.case == "lower":
            text = text.lower()
        elif self.case == "upper":
            text = text.upper()
        if self.typo_rate:
            # Short words ("no", "or") carry the meaning and have no redundancy: left alone.
            text = re.sub(r"[A-Za-z]{5,}", self._typo, text)
        return text

    def _typo(self, match: re.Match[str]) -> str:
        word, rng = match[0], self.rng
        if rng.random() >= self.typo_rate:
            return word
        i = rng.randrange(1, len(word) - 1)
        return rng.choice((
            word[:i] + word[i + 1 :],
            word[:i] + word[i] + word[i:],
            word[:i] + word[i + 1] + word[i] + word[i + 2 :],
        ))  # fmt: skip


def _write(
    rng: random.Random, layout: str, sections: dict[str, list[_Statement]], noise: _Noise
) -> tuple[str, dict[str, str], tuple[tuple[int, dict[str, str]], ...]]:
    """Return a note's text, each decided condition's quote as typed, and `Note.statements`."""
    quotes: dict[str, str] = {}
    order: list[_Statement] = []
    everything = _mixed(rng, *sections.values())

    def typed(statements: list[_Statement]) -> str:
        texts = []
        for s in statements:
            text = noise(s.text)
            quotes.update(dict.fromkeys(s.decides, text.removesuffix(".")))
            texts.append((text.removesuffix(".") if noise.drop_stop else text) + _END_MARK)
            order.append(s)
        return (" ; " if noise.drop_stop else " ").join(texts)

    lines = []
    for line in layout.split("/") if "A/P" not in layout else re.split(r"(?<!A)/", layout):
        written = []
        for part in re.split(r"(\{(?:all|context|body|decision)\})", line):
            name = part[1:-1]
            if name in sections or name == "all":
                written.append(typed(everything if name == "all" else sections[name]))
            else:
                written.append(noise(_fill(rng, part, "")))
        lines.append(" ".join(filter(None, map(str.strip, written))))
    *parts, last = "\n".join(filter(None, lines)).split(_END_MARK)
    ends = list(accumulate(map(len, parts)))
    kinds = [s.kinds for s in order]
    return "".join((*parts, last)), quotes, tuple(zip(ends, kinds, strict=True))

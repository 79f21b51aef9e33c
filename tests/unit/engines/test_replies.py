"""notemill.answers.judge over generated replies: no crash, and no answer that was not given.

The whole by name: `NOTEMILL_REPLIES=100000 pytest tests/unit/engines/test_replies.py`.
"""

from __future__ import annotations

import json
import math
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from notemill.answers.verdict import Status, is_answer, judge
from notemill.engines.protocol import End, Reply
from notemill.tasks.task import Task
from tests.unit.conftest import write_task

BASELINE, NUM_CTX = 15, 100
REPLIES_A_SEED = 500
SEEDS = range(int(os.environ.get("NOTEMILL_REPLIES", "10000")) // REPLIES_A_SEED)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_reply_crashes_the_judge_or_becomes_an_answer_that_it_does_not_hold(
    wide_task: Task, seed: int
) -> None:
    """An answer is accepted only if its text says just that under the schema."""
    accepted = 0
    for reply in generated_replies(random.Random(seed), REPLIES_A_SEED):
        verdict = judge(reply, wide_task.answer_model, baseline=BASELINE, num_ctx=NUM_CTX)
        if verdict.status is not Status.ANSWERED:
            assert verdict.answer is None
            assert verdict.detail
            continue
        accepted += 1
        said = json.loads(reply.text, object_pairs_hook=once_each, parse_constant=refused)
        assert reply.end is End.STOP
        assert reply.prompt_tokens > BASELINE
        assert reply.prompt_tokens + reply.answer_tokens <= NUM_CTX
        assert verdict.answer is not None
        assert list(verdict.answer) == list(FIELDS)
        for name, value in verdict.answer.items():
            assert same_value(value, said[name]), name
        assert is_answer(verdict.answer, wide_task.answer_model)
    assert accepted > REPLIES_A_SEED // 20


FIELDS = {
    "response": """Literal["yes", "no"]""",
    "days": "int",
    "share": "float",
    "sure": "bool",
    "words": "list[str]",
    "code": "int | None",
    "inner": "Inner",
}


@pytest.fixture(scope="module")
def wide_task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    lines = "\n".join(f"    {name}: {kind}" for name, kind in FIELDS.items())
    head = "from typing import Literal\nfrom pydantic import BaseModel\n"
    inner = "class Inner(BaseModel):\n    side: Literal['left', 'right']\n    size: float | None\n"
    source = f"{head}\n{inner}\nclass Answer(BaseModel):\n{lines}\n"
    return write_task(tmp_path_factory.mktemp("tasks"), source)


def generated_replies(chance: random.Random, count: int) -> Iterator[Reply]:
    """Good answers, and what one or two changes make of them."""
    for _ in range(count):
        text = good_answer(chance)
        for _ in range(chance.choice([0, 0, 1, 1, 2])):
            text = chance.choice(CHANGES)(chance, text)
        end = chance.choice([End.STOP] * 8 + list(End))
        tokens = [20, 20, 20, 20, BASELINE, BASELINE + 1, 0, -3, NUM_CTX, 2**70]
        yield Reply(text, end, chance.choice(tokens), chance.choice([10, 10, 10, 0, -1, 90, 2**70]))


def good_answer(chance: random.Random) -> str:
    return json.dumps(
        {
            "response": chance.choice(["yes", "no"]),
            "days": chance.choice([0, -1, 2**63 - 1, -(2**63), chance.getrandbits(63)]),
            "share": chance.choice([0, -0.0, 0.1, 1e-320, 1.7e308, 1e16, chance.random()]),
            "sure": chance.choice([True, False]),
            "words": [odd_text(chance) for _ in range(chance.randrange(3))],
            "code": chance.choice([None, 7]),
            "inner": {"side": chance.choice(["left", "right"]), "size": chance.choice([None, 2.5])},
        },
        ensure_ascii=chance.random() < 0.5,
    )


def odd_text(chance: random.Random) -> str:
    return "".join(chance.choice('a"\\{}[]:,é😀\0\n\u2028 ') for _ in range(chance.randrange(6)))


ODD_VALUES = [
    *(
        '"yes"',
        '"Yes"',
        "true",
        "1",
        "1.0",
        "0",
        "-0",
        "-0.0",
        "null",
        "[]",
        "{}",
        '""',
        '"\\ud800"',
    ),
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "01", "+1", ".5", "0x1", "1_0"),
    *(str(2**63), str(-(2**63) - 1), str(2**200), "9" * 5000, "9" * 400 + ".5", "1e" + "9" * 30),
    *('"\ud800"', '"\udfff"', "'yes'", '"' + "x" * 10_000 + '"', "[" * 300 + "]" * 300, "[1,]"),
]


def another_value(chance: random.Random, text: str) -> str:
    places = [at for at in range(len(text)) if text[at] == ":"]
    if not places:
        return text
    at = chance.choice(places) + 1
    end = min((text.find(mark, at) for mark in ",}" if text.find(mark, at) > 0), default=len(text))
    return text[:at] + chance.choice(ODD_VALUES) + text[end:]


def another_member(chance: random.Random, text: str) -> str:
    name = chance.choice([*FIELDS, "further", "", "Response", "respons\\u0065"])
    member = f'"{name}": {chance.choice(ODD_VALUES)}'
    return f"{{{member}, {text[1:]}" if chance.random() < 0.5 else f"{text[:-1]}, {member}}}"


def cut_somewhere(chance: random.Random, text: str) -> str:
    return text[: chance.randrange(len(text) + 1)]


def another_character(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return (
        text[:at] + chance.choice('"{}[],:\\\0\ud800 1-e\ufeff') + text[at + chance.randrange(2) :]
    )


def wrapped(chance: random.Random, text: str) -> str:
    deep = chance.choice([1, 199, 10_000])
    return chance.choice(
        [f"[{text}]", text + text, f" {text}\n\t", f"```json\n{text}\n```", "[" * deep + "]" * deep,
         '{"inner":' * deep + "1" + "}" * deep, json.dumps(text), "\ufeff" + text, ""]
    )  # fmt: skip


def spaced_out(chance: random.Random, text: str) -> str:
    """White space as no end of it, of JSON's kind or another, where one may stand."""
    space = chance.choice([" ", "\n", "\t\r", "\u00a0", "\v", "\u2028"]) * chance.choice(
        [1, 20_000]
    )
    mark = chance.choice("{}:,[]")
    return chance.choice([space + text, text + space, text.replace(mark, mark + space, 1)])


def escaped(chance: random.Random, text: str) -> str:
    """Letters as escapes, whole ones and halves, in keys and values."""
    letters = [i for i, letter in enumerate(text) if letter.isalnum()]
    for at in sorted(chance.sample(letters, min(len(letters), 5)), reverse=True):
        letter = chance.choice([f"\\u{ord(text[at]):04x}", f"\\u{ord(text[at]):04X}", "\\ud83d"])
        text = text[:at] + letter + text[at + 1 :]
    return text


def swapped(chance: random.Random, text: str) -> str:
    """Two members' values in each other's place, or all members in another order."""
    try:
        members = list(json.loads(text).items())
    except (ValueError, AttributeError, RecursionError):
        return text
    if chance.random() < 0.5:
        return json.dumps(dict(chance.sample(members, len(members))))
    (one, first), (other, second) = chance.sample(members, 2) if len(members) > 1 else members * 2
    return json.dumps(dict(members) | {one: second, other: first})


CHANGES = [
    *(another_value, another_value, another_member, cut_somewhere, another_character, wrapped),
    *(spaced_out, escaped, swapped),
]


def once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({name for name, _ in members}) == len(members), "a key was repeated"
    return dict(members)


def refused(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def same_value(stored: Any, said: Any) -> bool:
    """Equal and, where it matters, of one kind; a whole number may stand for a float."""
    if isinstance(stored, dict):
        return all(same_value(value, said[name]) for name, value in stored.items())
    if isinstance(stored, list):
        return len(stored) == len(said) and all(map(same_value, stored, said))
    if isinstance(stored, float):
        return type(said) in (int, float) and stored == float(said) and math.isfinite(stored)
    return type(stored) is type(said) and stored == said

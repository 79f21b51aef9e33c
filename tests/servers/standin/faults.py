"""What shall go wrong: rules from a JSON file.

The file holds a list of rules, each {"fault": NAME, ...} with, as needed,
    "match": "text"   only requests one of whose messages contains it (default: every request)
    "times": 2        only the first so many of them (default: always)
    "after": "text"   only once a message has contained it
    "seconds": 7      only for so long after the first of them
    "while": "path"   only while this file is there
    "starts": 3       only in the first so many starts of a server with this file
    "value": ...      what the table says

A request meets the first rule of FAILURES that fits it, and every one of MODIFIERS that does.
Rules of SERVER_FAULTS hold from the start and know neither match nor times.
"""

from __future__ import annotations

import json
import math
import threading
import time
from pathlib import Path
from typing import Any

FAILURES = {
    "cold_503": "503: server busy",
    "error_500": "500 with the message `value`",
    "bad_gateway": "502, as a gateway gives it while what is behind it is down",
    "exceed_context": "400: the prompt is longer than the context, whatever its length",
    "hang": "never answers",
    "crash": "the server kills itself; its runner lives on",
    "runner_crash": "the runner is killed while the request is in flight",
    "done_false": "token-repeat abort: 200, done false, cut text, no counts",
    "cut": "200, done_reason length, half of the answer",
    "drop_system": "the system message is lost before the model sees it",
    "invalid_json": "200, done, stop, and text that is no JSON",
}
MODIFIERS = {
    "slow": "the answer takes `value` seconds",
    "answer": "the answer is `value` instead of what answers.py makes",
    "keyed": "the answer is a hash of question and note (answers.question_of)",
    "schema_violation": "the keys of `value` replace those of the answer; without: each bounded "
    "`number` lies beyond its bounds",
    "ignores_schema": "an answer that has nothing to do with the schema",
    "native_key_order": "keys in the alphabet's order, as from 0.30 for models without TEMPLATE",
    "cuts": "a prompt that is too long is cut, whatever the request says",
}
SERVER_FAULTS = {
    "version": "the server says it is version `value`",
    "wrong_digest": "the model's digest is `value` (default: zeros)",
    "size_vram": "the share `value` of the model is on the GPU",
    "load_fails": "the model can't be loaded: 500 with the message `value`",
    "gpu_lost": "a model that is loaded once more, as after a lost runner, is on the CPU",
    "context_length": "the model runs with a context of `value` tokens",
    "single_slot": "the model's architecture allows no parallel requests",
    "pull_error": "pulling a model fails with the message `value`",
}
KNOWN = {**FAILURES, **MODIFIERS, **SERVER_FAULTS}


class Faults:
    """The rules, with what is left of their `times`."""

    def __init__(self, rules: list[dict[str, Any]], start: int = 1) -> None:
        """start: how many servers have been started with these rules, this one included.

        Raises ValueError for a fault that there is not.
        """
        for rule in rules:
            if rule.get("fault") not in KNOWN:
                raise ValueError(f"no fault '{rule.get('fault')}'; there are: {', '.join(KNOWN)}")
        self._rules = [dict(rule) for rule in rules if start <= rule.get("starts", start)]
        self._lock = threading.Lock()

    @classmethod
    def read(cls, path: str | None) -> Faults:
        """The rules of the file; none without one."""
        if not path:
            return cls([])
        counter = Path(f"{path}.starts")
        with counter.open("a") as starts:
            starts.write("start\n")
        return cls(json.loads(Path(path).read_text()), len(counter.read_text().splitlines()))

    def of_server(self, fault: str, default: Any = None) -> Any:
        """The value of a fault of the whole server; `default` if no rule names it."""
        for rule in self._rules:
            if rule["fault"] == fault:
                return rule.get("value", True)
        return default

    def of_request(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """The faults that this request meets, name to value; uses up their `times`."""
        met: dict[str, Any] = {}
        with self._lock:
            for rule in self._rules:
                fault = rule["fault"]
                if _contains(messages, rule.get("after", "")):
                    rule.pop("after", None)
                if fault in SERVER_FAULTS or not _fits(rule, messages):
                    continue
                if fault in FAILURES and any(name in FAILURES for name in met):
                    continue
                if "times" in rule:
                    rule["times"] -= 1
                rule.setdefault("since", time.monotonic())
                met[fault] = rule.get("value")
        return met


def _fits(rule: dict[str, Any], messages: list[dict[str, Any]]) -> bool:
    if rule.get("times", 1) < 1 or "after" in rule:
        return False
    if "since" in rule and time.monotonic() - rule["since"] > rule.get("seconds", math.inf):
        return False
    if "while" in rule and not Path(rule["while"]).exists():
        return False
    return _contains(messages, rule.get("match", ""))


def _contains(messages: list[dict[str, Any]], text: str) -> bool:
    return any(text in message.get("content", "") for message in messages)

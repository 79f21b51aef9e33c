"""Which gate a task has: patterns in task.yaml, or the function `gate` of gate.py in its folder."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notemill.errors import NotemillError
from notemill.logs import Terminated
from notemill.tasks.evidence import TASK_FILE
from notemill.tasks.gate import Gate, Judged, TooLong
from notemill.tasks.gate_patterns import RULE_PATTERN, Range
from notemill.tasks.importing import import_task, line_of

if TYPE_CHECKING:
    from notemill.tasks.task import Task

GATING = 1
"""Raise it when a gate comes to do something else with a text: what is asked is then another."""
GATE_FILE = "gate.py"
FUNCTION = "gate"
RULES = "RULES"
_TRIAL = "IMPRESSION: No acute cardiopulmonary disease."
_WHAT_IT_RETURNS = (
    f"return None to have the note asked whole, one of {RULES} to settle it, or (one of {RULES}, "
    "[(start, end), ...]) to have those parts of it asked"
)


def gate_of(task: Task) -> Gate | None:
    """The task's gate, tried out on a text of ours. Raises NotemillError if it can't work."""
    patterns = task.gate_patterns
    script = task.folder / GATE_FILE
    if not task.has_gate_file:
        if patterns is None:
            return None
        if not patterns.has_rules:
            raise NotemillError(
                f"the gate of task '{task.name}' has no rule",
                where=str(task.folder / TASK_FILE),
                remedy="name settle_if, ask_if or sections below `gate` (docs/gate.md), or take "
                "`gate` out",
            )
        place = task.folder / TASK_FILE
        gate = Gate(task.name, place, patterns.rules, patterns.judged, patterns.kept)
    else:
        if patterns and patterns.has_rules:
            raise NotemillError(
                f"task '{task.name}' has two gates, patterns and {GATE_FILE}",
                where=str(task.folder),
                remedy=f"take the rules out of `gate` in {TASK_FILE}, or remove {GATE_FILE}",
            )
        gate = _of_script(task, script)
    gate.gated(_TRIAL)
    return gate


def check_gate(task: Task) -> None:
    """Raise NotemillError for a gate that can't work."""
    _ = task.gate


def gate_identity(task: Task) -> dict[str, Any] | None:
    """What of a gate can change what is asked, None without one; gate.py is among the files."""
    patterns = task.gate_patterns
    if not task.has_gate_file and (patterns is None or not patterns.has_rules):
        return None
    identity: dict[str, Any] = {"gating": GATING}
    return identity if task.has_gate_file or patterns is None else identity | patterns.identity


def is_gate_file(path: Path, sources: dict[str, str]) -> bool:
    """Whether gate.py of a task's folder is its gate, and not a helper of schema.py's.

    sources: of the folder's .py files, by name.
    """
    source = sources.get(GATE_FILE)
    if source is None:
        return False
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return True  # its import tells where
    names = {
        name.id
        for part in tree.body
        if isinstance(part, (ast.Assign, ast.AnnAssign))
        for name in ast.walk(part)
        if isinstance(name, ast.Name)
    }
    others = (text for name, text in sources.items() if name != GATE_FILE)
    imported = (re.search(r"^\s*(from|import)\b.*\bgate\b", s, re.MULTILINE) for s in others)
    if RULES not in names and any(imported):
        return False
    if any(isinstance(part, ast.FunctionDef) and part.name == FUNCTION for part in tree.body):
        return True
    raise NotemillError(
        f"{GATE_FILE} has no function {FUNCTION}",
        where=str(path / GATE_FILE),
        remedy=f"write `def {FUNCTION}(note):` there, which decides about each note "
        "(docs/gate.md), or give the file another name",
    )


def _of_script(task: Task, path: Path) -> Gate:
    from notemill.tasks.task import task_files  # noqa: PLC0415  (it asks this module)

    try:
        module = import_task(task.folder, task.name, task_files(task.folder), FUNCTION)
    except (NotemillError, KeyboardInterrupt, Terminated):
        raise
    except BaseException as error:
        raise NotemillError(
            f"{GATE_FILE} of task '{task.name}' does not import: {type(error).__name__}",
            where=line_of(error, task.folder, GATE_FILE),
            remedy=f"make `python {path}` run to its end without an error",
        ) from error
    function, rules = getattr(module, FUNCTION, None), getattr(module, RULES, ())
    named = isinstance(rules, (tuple, list)) and rules and all(map(_is_rule, rules))
    if not callable(function) or not named:
        raise NotemillError(
            f"{GATE_FILE} of task '{task.name}' does not say which rules it has",
            where=str(path),
            remedy=f'name them all in it: `{RULES} = ("no_lung_words", "impression")`; letters, '
            "digits, _ and -, 64 at most",
        )

    def judge(text: str, at: Callable[[str], None]) -> Judged:
        sink = io.StringIO()  # what it prints may be a note's text
        try:
            with redirect_stdout(sink), redirect_stderr(sink):
                said = function(text)
        except (KeyboardInterrupt, Terminated, TooLong):
            raise
        except BaseException as error:  # SystemExit too
            problem = gate.broken(text, f"raises {type(error).__name__}", "mend it")
            problem.where = line_of(error, task.folder, GATE_FILE)
            raise problem from None  # its words may be a note's
        return _checked(gate, text, said)

    gate = Gate(task.name, path, tuple(rules), judge)
    return gate


def _is_rule(name: Any) -> bool:
    return isinstance(name, str) and re.match(RULE_PATTERN, name) is not None


def _checked(gate: Gate, text: str, said: Any) -> Judged:
    """What gate.py gave back as a rule and parts. Raises NotemillError unless it is one."""
    if said is None:
        return "", None
    if isinstance(said, str):
        rule, ranges = said, None
    elif isinstance(said, (tuple, list)) and len(said) == 2:
        rule, ranges = said
    else:
        raise gate.broken(text, f"returns {type(said).__name__}", _WHAT_IT_RETURNS)
    if rule not in gate.rules:
        raise gate.broken(text, f"returns a rule that {RULES} does not name", _WHAT_IT_RETURNS)
    if ranges is None:
        return rule, []
    if not isinstance(ranges, (tuple, list)) or not all(map(_is_range, ranges)):
        raise gate.broken(
            text, f"returns parts that are no pairs of numbers, by rule '{rule}'", _WHAT_IT_RETURNS
        )
    if any(not 0 <= start <= end <= len(text) for start, end in ranges):
        raise gate.broken(
            text,
            f"returns parts outside the note, by rule '{rule}'",
            "start and end are places in the note's text, as match.span() gives them, 0 <= start "
            "<= end <= len(note); a group that was not found has -1",
        )
    parts = _merged(ranges)
    if not "".join(text[start:end] for start, end in parts).strip():
        raise gate.broken(
            text,
            f"leaves nothing of a note, by rule '{rule}'",
            "return the rule alone to settle the note, or None to have it asked whole",
        )
    return rule, None if parts == [(0, len(text))] else parts


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, (tuple, list))
        and len(value) == 2
        and all(type(place) is int for place in value)
    )


def _merged(ranges: Sequence[Range]) -> list[Range]:
    """The ranges in the text's order, those that touch as one."""
    merged: list[Range] = []
    for start, end in sorted((start, end) for start, end in ranges if start < end):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged

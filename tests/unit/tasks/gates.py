"""Tasks with a gate, by patterns and by a gate.py."""

from __future__ import annotations

import textwrap
from pathlib import Path

from notemill.config import Experiment, read_config
from notemill.tasks.gate import Gate
from notemill.tasks.identity import fingerprint
from notemill.tasks.schema_check import check_schema
from notemill.tasks.task import Task, read_task
from tests.unit.conftest import config_values, write_task

REPORT = "HISTORY: Fever.\nFINDINGS: Clear lungs.\nLeft base: clear.\nSIGNED: B.\nImpression: none"


SECRET = "Jane Roebuck"


def patterned(folder: Path, gate: str) -> Task:
    """A task with this below `gate` in task.yaml, checked as the plan does."""
    write_task(folder)
    text = f"gate:\n{textwrap.indent(textwrap.dedent(gate), '  ')}"
    (folder / "cough" / "task.yaml").write_text(text)
    return checked(folder)


def scripted(folder: Path, body: str, rules: str = '("none", "part")') -> Task:
    """A task with a gate.py whose function has this body."""
    write_task(folder)
    lines = textwrap.indent(textwrap.dedent(body), "    ")
    (folder / "cough" / "gate.py").write_text(
        f"import re\nimport time\n\nRULES = {rules}\n\n\ndef gate(note):\n{lines}\n"
    )
    return checked(folder)


def checked(folder: Path) -> Task:
    task = read_task(folder, "cough")
    check_schema(task)
    return task


def gate_of(task: Task) -> Gate:
    assert task.gate
    return task.gate


def printed(task: Task) -> str:
    config = read_config(config_values(), where="here")
    experiment: Experiment = config.experiments["cough"]
    return fingerprint(experiment, config.engines["local"], task)

"""What `make demo` shows at its end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from notemill.config import read_config
from tests.workflow.project import REPOSITORY


def test_the_demo_ends_with_commands_for_its_own_results() -> None:
    """Each names the demo's configuration, and what that has."""
    recipe = subprocess.run(
        ["make", "-n", "demo"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    shown = [line.split('"')[1].split() for line in recipe.splitlines() if 'echo "  ' in line]
    commands = {words[3]: words[4:] for words in shown}
    assert list(commands) == ["status", "summary", "look"]
    demo = REPOSITORY / "config" / "demo.yaml"
    config = read_config(yaml.safe_load(demo.read_text()))
    for words in shown:
        assert words[:3] == [".venv/bin/python", "-m", "notemill"]
        assert words[-2] == "--configfile"
        assert REPOSITORY / Path(words[-1]) == demo
    cohort, experiment, *_ = commands["look"]
    assert cohort in config.cohorts_of(experiment)

"""What `make demo` shows at its end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from notemill.config import read_config
from notemill.paths import Layout
from tests.workflow.project import REPOSITORY


def test_the_demo_ends_with_commands_for_its_own_results() -> None:
    """Each names the demo's configuration, and what that has."""
    recipe = subprocess.run(
        ["make", "-n", "demo"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    shown = [line.split('"')[1].split() for line in recipe.splitlines() if 'echo "  ' in line]
    commands = {words[3]: words[4:] for words in shown}
    assert list(commands) == ["status", "summary", "look", "audit"]
    demo = REPOSITORY / "config" / "demo.yaml"
    config = read_config(yaml.safe_load(demo.read_text()))
    for words in shown:
        assert words[:3] == [".venv/bin/python", "-m", "notemill"]
        assert words[-2] == "--configfile"
        assert REPOSITORY / Path(words[-1]) == demo
    for cohort, experiment in (commands["look"][:2], commands["audit"][1:3]):
        assert cohort in config.cohorts_of(experiment)


def test_the_demo_ends_with_its_report() -> None:
    """Of a second prompt, too, held against its gold, and compared, and some asked again."""
    recipe = subprocess.run(
        ["make", "-n", "demo"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    demo = read_config(yaml.safe_load((REPOSITORY / "config" / "demo.yaml").read_text()))
    assert "snakemake --profile profiles/demo report" in recipe
    assert str(Layout(demo.results).report) in recipe
    assert {demo.experiments[name].task for name in demo.comparisons["prompts"].experiments} == {
        "pneumonia",
        "pneumonia_brief",
    }
    assert demo.comparisons["prompts"].evaluation in demo.evaluations
    assert demo.experiments["pneumonia"].repeat.notes

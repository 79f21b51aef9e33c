"""docs/operations.md: each command of the runbook is there and takes the words that it is given.

Those that end, requeue and watch jobs are used on a real Slurm in test_slurm_troubles.py and
test_slurm_kills.py.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from snakemake.cli import parse_args

from notemill.cli import commands
from tests.servers import slurm
from tests.servers.debian import require
from tests.workflow.project import REPOSITORY

PAGE = (REPOSITORY / "docs" / "operations.md").read_text()
SHOWN = {
    words
    for words in re.findall(r"`([^`\n]+)`", PAGE)
    if words.split()[0] in {"python", "snakemake", "scancel", "squeue", "scontrol", "sacct", "pip"}
    and " " in words
}
RULES = {
    name
    for file in (REPOSITORY / "workflow").rglob("*")
    if file.suffix == ".smk" or file.name == "Snakefile"
    for name in re.findall(r"^rule (\w+):", file.read_text(), re.MULTILINE)
}


def shown(program: str) -> list[str]:
    """The page's commands of a program."""
    return sorted(words for words in SHOWN if words.startswith(program + " "))


class Parsed(BaseException):
    """The words were taken."""


@pytest.mark.parametrize("words", shown("python"))
def test_a_command_of_notemill_is_there(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def parsed(_: object) -> None:
        raise Parsed

    monkeypatch.setattr(commands, "Given", parsed)
    python, option, module, *arguments = shlex.split(words)
    assert (python, option, module) == ("python", "-m", "notemill")
    with pytest.raises(Parsed):
        commands.main(arguments)


@pytest.mark.parametrize("words", shown("snakemake"))
def test_a_call_of_snakemake_is_taken_and_names_rules(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    arguments = [word for word in shlex.split(words)[1:] if word != "…"]
    _, given = parse_args(arguments)
    assert {*given.targets, *given.forcerun} <= RULES


NO_CLUSTER = """
ClusterName=none
SlurmctldHost=localhost
NodeName=localhost
PartitionName=none Nodes=ALL
"""


def test_slurms_commands_have_these_options(tmp_path: Path) -> None:
    require(slurm.PACKAGES)
    configuration = tmp_path / "slurm.conf"
    configuration.write_text(NO_CLUSTER)
    for program, option in {"scancel": "--help", "squeue": "--help", "scontrol": "help"}.items():
        told = subprocess.run(
            [program, option],
            env=os.environ | {"SLURM_CONF": str(configuration)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert shown(program)
        for words in shown(program):
            for word in words.partition("|")[0].split()[1:]:
                name = re.escape(word.partition("=")[0])
                known = re.search(rf"(^|[\s,]){name}\b", told, re.MULTILINE)
                # Slurm 22.05's help keeps silent about scancel --me.
                assert known or word.isupper() or word in ("JOB.0", "--me"), words


def test_what_the_page_names_is_there() -> None:
    for link in re.findall(r"\]\(([^)#]+\.md)", PAGE):
        assert (REPOSITORY / "docs" / link).exists(), link
    for file in re.findall(r"`(requirements\.lock|profiles/\w+)`?", PAGE):
        assert Path(REPOSITORY / file).exists(), file
    for quoted in re.findall(r'see "([^"]+)"', PAGE):
        assert f"## {quoted}" in PAGE


OF_OTHERS = {
    "Config file is not valid JSON or YAML",
    "profile given but no config.yaml found",
    "Directory cannot be locked",
    "fetch_config",
    "uid not found",
    "could not determine the home directory",
}
"""What Snakemake and Slurm say."""


def test_the_messages_are_those_that_are_told() -> None:
    told = "".join(
        re.sub(r'"\s*\n\s*f?"', "", file.read_text())
        for folder in ("notemill", "workflow")
        for file in (REPOSITORY / folder).rglob("*")
        if file.suffix in {".py", ".smk"}
    )
    table = re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE)
    quoted = {words for cell in table for words in re.findall(r'"([^"]+)"', cell)} - OF_OTHERS
    assert len(quoted) > 20
    for words in quoted:
        # … and what is put in.
        for part in re.split(r"…|\bN\b|ended: [A-Z_]+|(?<=another job is).*", words):
            assert part.strip(" ,") in told, words

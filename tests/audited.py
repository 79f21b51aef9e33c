"""A real run of the shipped model, audited by the command, by readers who know what is right."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from notemill.audit.record import AuditEstimate, read_estimate
from tests import oracle
from tests.unit.audit.auditing import fill
from tests.workflow.project import REPOSITORY, Project

AUDITED = "pneumonia"
READERS_SAY = [
    note.answers[AUDITED].response if number % 10 else "(2) Unlikely"
    for number, note in enumerate(oracle.NOTES)
]
"""The right answer, but for every tenth note: the model may be right everywhere else."""
TRUTH = {
    " ".join(note.text.split()): said for note, said in zip(oracle.NOTES, READERS_SAY, strict=True)
}


def audit(run: Project, step: str, *arguments: str) -> str:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "notemill", "audit", step, "oracle", AUDITED),
            *(*arguments, "-d", str(run.folder), "--configfile", str(run.folder / "config.yaml")),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def true(text: str) -> str:
    return TRUTH[" ".join(text.split())]


def check_audit(run: Project, given: Sequence[str | None]) -> None:
    """Readers must find the accuracy that the results table has.

    given: the model's answers to oracle.NOTES, in their order.
    """
    both = zip(READERS_SAY, given, strict=True)
    pairs = [(truth, response) for truth, response in both if response is not None]
    right = sum(truth == response for truth, response in pairs) / len(pairs)
    assert 0.8 < right < 1  # there is something to find

    whole = estimated(run, "whole", "--precision", "0.0001")
    assert sum(stratum.drawn for stratum in whole.strata) == len(oracle.NOTES)
    assert all(stratum.evidence for stratum in whole.strata if stratum.answer is not None)
    assert whole.answered.accuracy.value == pytest.approx(right)
    assert whole.answered.accuracy.low == pytest.approx(right)
    for figures in whole.answered.classes:
        of_class = [response for truth, response in pairs if truth == figures.label]
        assert figures.prevalence.value == pytest.approx(len(of_class) / len(pairs))
        assert figures.sensitivity.value == pytest.approx(
            of_class.count(figures.label) / len(of_class)
        )

    # The model answers at temperature 0 and the seed is fixed: the same texts and the same answers
    # each time, so this interval holds the truth by no chance of the run.
    part = str(len(oracle.NOTES) * 6 // 10)
    sample = estimated(run, "sample", "--texts", part, "--seed", "1").answered.accuracy
    assert sample.low is not None
    assert sample.high is not None
    assert sample.low <= right <= sample.high
    assert sample.high - sample.low > 0.01


def estimated(run: Project, name: str, *sizes: str) -> AuditEstimate:
    audit(run, "draw", "--name", name, "--readers", "ana,ben", *sizes)
    (folder,) = (run.results / "audits" / "oracle").glob(f"*/{name}")
    for reader in ("ana", "ben"):
        fill(folder / "sheets" / f"{reader}.xlsx", true)
    told = audit(run, "read", "--name", name)
    assert "agreement 1.000" in told
    for text in TRUTH:
        assert text not in told
    result = read_estimate(folder / "estimate.json")
    assert Path(folder / "settled.csv").exists()
    return result

"""Words of a profile are read once for a rule, and come out as Snakemake would have them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.resources import Resource, Resources

from notemill.slurm.resources import settle_words

GIVEN: dict[str, Any] = {
    "wildcards": None,
    "input": [],
    "attempt": 3,
    "threads": 8,
    "rulename": "answer",
    "async_run": None,
}
WORDS = ["gpu", "my_account", "n1-standard-4", "8", "007", "7-2", "gpu-8"]
FORMULAS = ["attempt", "threads", "attempt-1", "3 * attempt", "system_tmpdir", "$HOME", "max"]


def of_a_profile(text: str) -> tuple[Any, Any]:
    """A rule with one resource as a profile gives it, and that resource before."""
    resource = Resource.from_cli_expression("slurm_partition", text)
    return SimpleNamespace(resources=Resources({"slurm_partition": resource})), resource


@pytest.mark.parametrize("text", WORDS)
def test_a_word_is_settled_as_each_job_would_have_it(text: str) -> None:
    rule, before = of_a_profile(text)
    settle_words([rule])
    settled = rule.resources["slurm_partition"]
    assert not settled.is_evaluable()
    assert settled.value == before.evaluate(**GIVEN).value
    assert type(settled.value) is type(before.evaluate(**GIVEN).value)
    assert settled.raw == before.raw  # what a job's own snakemake is told


@pytest.mark.parametrize("text", FORMULAS)
def test_what_may_differ_from_job_to_job_stays_a_formula(text: str) -> None:
    rule, before = of_a_profile(text)
    settle_words([rule])
    assert rule.resources["slurm_partition"] is before


def test_a_rules_own_values_stay_as_they_are() -> None:
    own = Resources.from_mapping({"gpu": 1, "slurm_extra": "word", "mem_mb": lambda attempt: 7})
    before = dict(own.items())
    settle_words([SimpleNamespace(resources=own)])
    assert all(own[name] is value for name, value in before.items())
